/** Which Debian package brings which command, and how to get it where that is allowed. */
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runCaptured } from './run-command.mjs';

/**
 * Every command that the scripts and the tests start and that a bare Debian may lack, once.
 *
 * @type {Readonly<Record<string, string>>}
 */
export const packageOfCommand = {
  // what a C++ addon is built with
  'g++': 'g++',
  make: 'make',
  python3: 'python3',
  nm: 'binutils',
  'x86_64-linux-gnu-g++': 'g++-x86-64-linux-gnu',
  'aarch64-linux-gnu-g++': 'g++-aarch64-linux-gnu',
  'qemu-aarch64': 'qemu-user',
  // namespaces and the wire between them
  ip: 'iproute2',
  tc: 'iproute2',
  genl: 'iproute2',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  ss: 'iproute2',
  // a terminal
  script: 'bsdutils',
  // the binary and its Debian package
  setcap: 'libcap2-bin',
  'dpkg-deb': 'dpkg',
  man: 'man-db',
  groff: 'groff-base',
  zsh: 'zsh',
  fish: 'fish',
  // clients of the export
  nbdinfo: 'libnbd-bin',
  nbdcopy: 'libnbd-bin',
  nbdfuse: 'libnbd-bin',
  'qemu-img': 'qemu-utils',
  'qemu-io': 'qemu-utils',
  fio: 'fio',
  'nbd-client': 'nbd-client',
  nbdkit: 'nbdkit',
  // captures
  tshark: 'tshark',
  tcpdump: 'tcpdump',
  dumpcap: 'wireshark-common',
  editcap: 'wireshark-common',
  mergecap: 'wireshark-common',
  text2pcap: 'wireshark-common',
  openssl: 'openssl',
  curl: 'curl',
  // the documents in a browser; Debian alone has it
  'chromium-headless-shell': 'chromium-headless-shell',
  fusermount3: 'fuse3',
  // the test kernel
  'qemu-system-x86_64': 'qemu-system-x86',
  busybox: 'busybox-static',
  cpio: 'cpio',
  depmod: 'kmod',
  modprobe: 'kmod',
  setpriv: 'util-linux',
  udevadm: 'udev',
  'systemd-analyze': 'systemd',
  // block devices
  lsblk: 'util-linux',
  blockdev: 'util-linux',
  fdisk: 'fdisk',
  sfdisk: 'fdisk',
  mkswap: 'util-linux',
  swapon: 'mount',
  swapoff: 'mount',
  mount: 'mount',
  umount: 'mount',
  'mkfs.ext4': 'e2fsprogs',
  'fsck.ext4': 'e2fsprogs',
  'mkfs.xfs': 'xfsprogs',
  xfs_repair: 'xfsprogs',
  'mkfs.btrfs': 'btrfs-progs',
  btrfs: 'btrfs-progs',
  dmsetup: 'dmsetup',
  lvm: 'lvm2',
  mdadm: 'mdadm',
  cryptsetup: 'cryptsetup-bin',
};

/** What a C++ addon is built with. */
export const toolchainCommands = ['g++', 'make', 'python3'];
/** What makes network namespaces and the wire between them. */
export const networkCommands = ['ip', 'unshare', 'nsenter'];
/** The clients and tools that the end-to-end tests drive. */
export const testCommands = words(
  'ip unshare nsenter script nbdinfo nbdcopy nbdfuse qemu-img qemu-io fio nbd-client nbdkit',
  'mkfs.ext4 fsck.ext4 fusermount3 openssl curl setcap man groff zsh fish',
  'tshark tcpdump dumpcap editcap mergecap text2pcap',
);
/** What shows the site of the documents; apart, for where it is missing apt-get installs nothing. */
export const browserCommands = ['chromium-headless-shell'];
/** What boots the test kernel. */
export const guestCommands = words('qemu-system-x86_64 busybox cpio depmod setpriv');
/** What runs on the test kernel; the guest sees the programs of this machine. */
export const kernelTestCommands = words(
  'ip tc genl nsenter unshare modprobe setpriv udevadm busybox nbd-client nbdkit fio',
  'lsblk blockdev fdisk sfdisk mount umount mkswap swapon swapoff',
  'mkfs.ext4 fsck.ext4 mkfs.xfs xfs_repair mkfs.btrfs btrfs dmsetup lvm mdadm cryptsetup',
);

/** @param {string[]} lines */
function words(...lines) {
  return lines.flatMap((line) => line.split(' '));
}

/** @returns {string} PATH with the system folders that an ordinary user's PATH may lack */
export function fullPath() {
  const folders = (process.env.PATH ?? '').split(':').filter((folder) => folder !== '');
  for (const folder of ['/usr/local/sbin', '/usr/sbin', '/sbin']) {
    if (!folders.includes(folder)) folders.push(folder);
  }
  return folders.join(':');
}

/**
 * @param {string} command
 * @param {string} [path] where to look, as in PATH; the full path unless told
 * @returns {boolean} whether the command can be run from there
 */
export function hasCommand(command, path = fullPath()) {
  return path.split(':').some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * @param {readonly string[]} commands
 * @returns {string[]} those that this machine lacks
 */
export function missingCommands(commands) {
  return commands.filter((command) => !hasCommand(command));
}

/**
 * @param {readonly string[]} commands
 * @returns {string[]} the packages that bring them, each once
 */
export function packagesOf(commands) {
  return [...new Set(commands.map((command) => packageOfCommand[command] ?? command))];
}

/**
 * @param {readonly string[]} commands
 * @returns {string} what a person types to get the commands
 */
export function installRemedy(commands) {
  return `sudo apt-get install ${packagesOf(commands).join(' ')}`;
}

/** @returns {boolean} whether we may install Debian packages: root, and apt-get is there */
export function canInstall() {
  return process.getuid?.() === 0 && hasCommand('apt-get');
}

/**
 * Installs packages without a question. The lists are fetched first where there are none, or when
 * the first try did not find a package.
 *
 * @param {readonly string[]} packages
 * @returns {Promise<{ code: number, output: string }>} of the last apt-get
 */
export async function installPackages(packages) {
  const env = { ...process.env, PATH: fullPath(), DEBIAN_FRONTEND: 'noninteractive' };
  const options = ['-y', '-q', '-o', 'DPkg::Lock::Timeout=300'];
  const install = () =>
    runCaptured(['apt-get', ...options, 'install', '--no-install-recommends', ...packages], {
      env,
    });
  const update = () => runCaptured(['apt-get', ...options, 'update'], { env });
  const lists = '/var/lib/apt/lists';
  const isListed =
    existsSync(lists) && readdirSync(lists).some((name) => name.includes('Packages'));
  if (!isListed) await update();
  let result = await install();
  if (result.code !== 0 && isListed) {
    await update();
    result = await install();
  }
  return result;
}
