/**
 * A Debian kernel with its modules, unpacked but not installed: nothing of this machine's own boot
 * files changes. It is kept in a cache folder below node_modules and fetched once.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fullPath } from '../debian-packages.mjs';
import { repositoryRoot } from '../repository.mjs';
import { runCaptured } from '../run-command.mjs';
import { SetupError } from '../setup-error.mjs';

/** Where kernels and initial RAM disks are kept, outside of version control. */
export const kernelCache = join(repositoryRoot, 'node_modules', '.cache', 'oxmem', 'kernel');

/** The package that depends on the current kernel; another one may be asked for. */
const wantedPackage = process.env.OXMEM_KERNEL_PACKAGE ?? 'linux-image-amd64';

/**
 * @typedef {object} KernelImage
 * @property {string} release what `uname -r` says in it
 * @property {string} vmlinuz file to boot
 * @property {string} modulesFolder what stands in /lib/modules/RELEASE in the guest
 */

/**
 * The kernel to test on, from the cache or from Debian's archive.
 *
 * @param {import('../progress.mjs').Progress} progress
 * @returns {Promise<KernelImage>}
 * @throws {SetupError} when it cannot be fetched or unpacked
 */
export async function provideKernel(progress) {
  const home = join(kernelCache, wantedPackage);
  const cached = imageIn(home);
  if (cached !== undefined) return cached;
  mkdirSync(kernelCache, { recursive: true });
  // Made under another name first: what has its real name is whole.
  const draft = mkdtempSync(join(kernelCache, 'draft-'));
  try {
    const name = await realPackage();
    await progress.step(`fetching the kernel ${name}`, () => download(name, draft));
    await progress.step('unpacking the kernel', () => unpack(draft));
    rmSync(home, { recursive: true, force: true });
    renameSync(draft, home);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  const image = imageIn(home);
  if (image !== undefined) return image;
  throw new SetupError(`${wantedPackage} holds no kernel with modules.`, 'Name another package.');
}

/**
 * @param {string} home
 * @returns {KernelImage | undefined}
 */
function imageIn(home) {
  const modules = join(home, 'lib', 'modules');
  if (!existsSync(join(home, 'complete'))) return undefined;
  const [release] = readdirSync(modules);
  if (release === undefined) return undefined;
  const vmlinuz = join(home, 'boot', `vmlinuz-${release}`);
  return { release, vmlinuz, modulesFolder: join(modules, release) };
}

/** @returns {Promise<string>} the package with the files, which the wanted one only points to */
async function realPackage() {
  let result = await depends();
  if (result.code !== 0) {
    await updateLists();
    result = await depends();
  }
  const pointsTo = /^\s*Depends: (linux-image-\S+)$/m.exec(result.output)?.[1];
  if (result.code === 0) return pointsTo ?? wantedPackage;
  const remedy = 'Run apt-get update, or name another with OXMEM_KERNEL_PACKAGE.';
  throw new SetupError(`Debian's archive has no ${wantedPackage} here.`, remedy, result.output);
}

function depends() {
  return runCaptured(['apt-cache', 'depends', '--important', wantedPackage], tools());
}

/**
 * @param {string} name
 * @param {string} folder
 */
async function download(name, folder) {
  const argv = ['apt-get', '-q', '-o', 'APT::Sandbox::User=root', 'download', name];
  let result = await runCaptured(argv, tools(folder));
  if (result.code !== 0) {
    // The lists may be older than the archive.
    await updateLists();
    result = await runCaptured(argv, tools(folder));
  }
  if (result.code === 0) return;
  const remedy = 'Check that apt-get can reach its archive, and run apt-get update.';
  throw new SetupError(`The kernel ${name} could not be fetched.`, remedy, result.output);
}

function updateLists() {
  return runCaptured(['apt-get', '-q', '-o', 'DPkg::Lock::Timeout=300', 'update'], tools());
}

/** @param {string} folder with the package; the files take its place */
async function unpack(folder) {
  const [archive = ''] = readdirSync(folder).filter((name) => name.endsWith('.deb'));
  await must(['dpkg-deb', '-x', archive, '.'], folder);
  rmSync(join(folder, archive));
  for (const release of readdirSync(join(folder, 'lib', 'modules'))) {
    await must(['depmod', '-b', '.', release], folder);
  }
  writeFileSync(join(folder, 'complete'), '');
}

/**
 * @param {readonly string[]} argv
 * @param {string} cwd
 */
async function must(argv, cwd) {
  const { code, output } = await runCaptured(argv, tools(cwd));
  if (code === 0) return;
  throw new SetupError('The kernel could not be unpacked.', 'Is the disk full?', output);
}

/** @param {string} [cwd] */
function tools(cwd = repositoryRoot) {
  return { cwd, env: { ...process.env, PATH: fullPath(), LC_ALL: 'C' } };
}
