/**
 * The first root of the guest: busybox, the modules that reach this machine's files, and a script
 * that puts a writable layer in RAM over them and goes there.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { fullPath } from '../debian-packages.mjs';
import { SetupError } from '../setup-error.mjs';
import { firstInit, secondInit } from './guest-scripts.mjs';
import { kernelCache } from './kernel-image.mjs';

/** Modules that the first root loads; what they depend on comes along. */
const wantedModules = ['virtio_pci', '9pnet_virtio', '9p', 'overlay'];

/**
 * Builds it, or takes the one that was built of the same parts.
 *
 * @param {import('./kernel-image.mjs').KernelImage} kernel
 * @returns {string} the file
 * @throws {SetupError} when a part is missing
 */
export function provideInitramfs({ release, modulesFolder }) {
  const busybox = findBusybox();
  const modules = modulesInOrder(modulesFolder);
  const parts = [release, ...modules, firstInit, secondInit];
  const digest = createHash('sha256').update(parts.join('\0')).update(readFileSync(busybox));
  const file = join(kernelCache, `initramfs-${digest.digest('hex').slice(0, 16)}.gz`);
  if (existsSync(file)) return file;
  const tree = mkdtempSync(join(kernelCache, 'draft-'));
  try {
    const names = fillTree(tree, { busybox, modules, modulesFolder });
    const draft = join(tree, 'draft.gz');
    writeFileSync(draft, gzipSync(archive(tree, names), { level: 1 }));
    renameSync(draft, file);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
  return file;
}

/** @returns {string} */
function findBusybox() {
  const file = fullPath()
    .split(':')
    .map((folder) => join(folder, 'busybox'))
    .find((path) => existsSync(path));
  // A program that needs a loader names it in its head, and no loader is there that early.
  const head = file === undefined ? undefined : readFileSync(file).subarray(0, 4096);
  if (file !== undefined && head?.includes('/ld-') === false) return file;
  const remedy = 'Install it: sudo apt-get install busybox-static';
  throw new SetupError('The test kernel needs a statically linked busybox.', remedy);
}

/**
 * @param {string} modulesFolder
 * @returns {string[]} module files, each after those that it depends on
 */
function modulesInOrder(modulesFolder) {
  /** @type {Map<string, string[]>} name, then the file and what it needs, the nearest first */
  const known = new Map();
  for (const line of readFileSync(join(modulesFolder, 'modules.dep'), 'utf8').split('\n')) {
    const [file = '', needs = ''] = line.split(':');
    const name = basename(file).replace(/\.ko.*$/, '');
    if (name !== '') known.set(name, [file, ...needs.split(' ').filter((need) => need !== '')]);
  }
  const builtIn = readFileSync(join(modulesFolder, 'modules.builtin'), 'utf8');
  const files = wantedModules.flatMap((name) => {
    const chain = known.get(name);
    if (chain !== undefined) return chain.toReversed();
    if (builtIn.includes(`/${name}.ko`)) return [];
    throw new SetupError(`The kernel has no module ${name}.`, 'Name another kernel package.');
  });
  return [...new Set(files)];
}

/**
 * @param {string} tree
 * @param {{ busybox: string, modules: string[], modulesFolder: string }} parts
 * @returns {string[]} all paths of the archive, folders before what is in them
 */
function fillTree(tree, { busybox, modules, modulesFolder }) {
  const folders = ['bin', 'modules', 'proc', 'sys', 'dev', 'lower', 'layer', 'share', 'newroot'];
  for (const folder of folders) mkdirSync(join(tree, folder));
  copyFileSync(busybox, join(tree, 'bin', 'busybox'));
  const names = modules.map((file, index) => {
    // A number in front keeps the order of loading; compressed modules are none of Debian 12.
    const name = `modules/${String(index).padStart(2, '0')}-${basename(file)}`;
    copyFileSync(join(modulesFolder, file), join(tree, name));
    return name;
  });
  writeFileSync(join(tree, 'init'), firstInit);
  writeFileSync(join(tree, 'second-init'), secondInit);
  for (const name of ['init', 'second-init', 'bin/busybox']) chmodSync(join(tree, name), 0o755);
  return [...folders, 'init', 'second-init', 'bin/busybox', ...names];
}

/**
 * @param {string} tree
 * @param {readonly string[]} names
 * @returns {Buffer} the archive that kernels unpack
 */
function archive(tree, names) {
  const options = ['--quiet', '-o', '-H', 'newc', '-R', '+0:+0'];
  const result = spawnSync('cpio', options, {
    cwd: tree,
    env: { ...process.env, PATH: fullPath() },
    input: names.join('\n'),
    maxBuffer: 256 * 2 ** 20,
  });
  if (result.status === 0) return result.stdout;
  const cause = result.error?.message ?? result.stderr.toString();
  throw new SetupError('cpio failed.', 'Install it: sudo apt-get install cpio', cause);
}
