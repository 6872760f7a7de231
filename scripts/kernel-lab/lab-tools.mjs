/** What a kernel to test on needs of this machine, and how to get it where that is allowed. */
import { canInstall, hasCommand, installPackages } from '../debian-packages.mjs';
import { SetupError } from '../setup-error.mjs';

/**
 * Commands and the Debian packages that bring them: first what boots the guest, then what runs in
 * it, for the guest sees the programs of this machine.
 *
 * @type {Readonly<Record<string, string>>}
 */
const packageOfCommand = {
  'qemu-system-x86_64': 'qemu-system-x86',
  busybox: 'busybox-static',
  cpio: 'cpio',
  depmod: 'kmod',
  modprobe: 'kmod',
  setpriv: 'util-linux',
  ip: 'iproute2',
  tc: 'iproute2',
  udevadm: 'udev',
  'nbd-client': 'nbd-client',
  fio: 'fio',
  blockdev: 'util-linux',
  fdisk: 'fdisk',
  'mkfs.ext4': 'e2fsprogs',
  'mkfs.xfs': 'xfsprogs',
  'mkfs.btrfs': 'btrfs-progs',
  lvm: 'lvm2',
  mdadm: 'mdadm',
  cryptsetup: 'cryptsetup-bin',
};

/**
 * @returns {string | undefined} why no kernel is booted on this machine: nobody asked for it, or it
 *   cannot be had whatever is installed
 */
export function whyNoLab() {
  if (process.env['OXMEM_KERNEL'] !== '1') {
    return 'takes six minutes more: run by npm run test:kernel, or with OXMEM_KERNEL=1';
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return `the test kernel is booted on x86-64 Linux only, this is ${process.arch}`;
  }
  if (!hasCommand('apt-get') || !hasCommand('dpkg-deb')) {
    return 'the test kernel comes from a Debian package, and apt-get or dpkg-deb is missing';
  }
  const missing = missingPackages();
  if (missing.length === 0 || canInstall()) return undefined;
  return `missing: ${missing.join(', ')} (sudo apt-get install ${missing.join(' ')})`;
}

/**
 * Installs what is missing; asks nothing, and names what it installs.
 *
 * @param {import('../progress.mjs').Progress} progress
 * @throws {SetupError} when a package cannot be installed
 */
export async function provideLabTools(progress) {
  const packages = missingPackages();
  if (packages.length === 0) return;
  const { output } = await progress.step(`installing Debian packages ${packages.join(' ')}`, () =>
    installPackages(packages),
  );
  const left = missingPackages();
  if (left.length === 0) return;
  const remedy = `Install them: sudo apt-get install ${left.join(' ')}`;
  throw new SetupError(`Missing for the test kernel: ${left.join(', ')}.`, remedy, output);
}

/** @returns {string[]} each package once */
function missingPackages() {
  const missing = Object.entries(packageOfCommand).filter(([command]) => !hasCommand(command));
  return [...new Set(missing.map(([, name]) => name))];
}
