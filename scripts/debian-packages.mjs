/** Which Debian package brings which command, and how to get it where that is allowed. */
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runCaptured } from './run-command.mjs';

/** @type {Readonly<Record<string, string>>} */
const packageOfCommand = {
  'g++': 'g++',
  make: 'make',
  python3: 'python3',
  ip: 'iproute2',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  nbdinfo: 'libnbd-bin',
  nbdcopy: 'libnbd-bin',
  nbdfuse: 'libnbd-bin',
  'qemu-img': 'qemu-utils',
  'qemu-io': 'qemu-utils',
  fio: 'fio',
  'nbd-client': 'nbd-client',
  nbdkit: 'nbdkit',
  'mkfs.ext4': 'e2fsprogs',
  'fsck.ext4': 'e2fsprogs',
  tshark: 'tshark',
  fusermount3: 'fuse3',
};

/** What a C++ addon is built with. */
export const toolchainCommands = ['g++', 'make', 'python3'];
/** What makes network namespaces and the wire between them. */
export const networkCommands = ['ip', 'unshare', 'nsenter'];
/** The clients and tools that the end-to-end tests drive. */
export const testCommands = Object.keys(packageOfCommand).filter(
  (command) => !toolchainCommands.includes(command),
);

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
 * @returns {boolean} whether the command can be run from the full path
 */
export function hasCommand(command) {
  return fullPath()
    .split(':')
    .some((folder) => {
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
