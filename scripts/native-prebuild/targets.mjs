/** The machines for which prebuilt addons are made, and what the compiler has to be told for each. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { runCaptured } from '../run-command.mjs';
import { SetupError } from '../setup-error.mjs';

/**
 * @typedef {object} Target
 * @property {string} name
 * @property {'x64' | 'arm64'} arch as Node calls it
 * @property {'glibc' | 'musl'} libc
 * @property {string} compiler the C++ compiler
 * @property {string} debianArch as Debian calls it
 * @property {string} triple names folders of musl's packages
 */

const machines = /** @type {const} */ ([
  { arch: 'x64', cpu: 'x86_64', debianArch: 'amd64' },
  { arch: 'arm64', cpu: 'aarch64', debianArch: 'arm64' },
]);

/** @type {readonly Target[]} */
export const targets = machines.flatMap(({ arch, cpu, debianArch }) =>
  /** @type {const} */ (['glibc', 'musl']).map((libc) => ({
    name: `linux-${arch}-${libc}`,
    arch,
    libc,
    compiler: `${cpu}-linux-gnu-g++`,
    debianArch,
    triple: `${cpu}-linux-musl`,
  })),
);

/** The newest glibc that a prebuilt addon may ask for: what Node 20 itself asks for. */
export const glibcFloor = [2, 28];

const ownFolder = import.meta.dirname;

/**
 * The target of the machine that this runs on, if it is one.
 *
 * @returns {Target | undefined}
 */
export function hostTarget() {
  const libc = existsSync('/etc/alpine-release') ? 'musl' : 'glibc';
  return targets.find((each) => each.arch === process.arch && each.libc === libc);
}

/**
 * What every file of an addon is compiled with.
 *
 * @param {Target} target
 * @param {string} folder where headers may be put together
 * @param {string | undefined} musl what `provideMusl` returned, for a musl target
 * @returns {string[]}
 */
export function compileFlags(target, folder, musl) {
  const flags = ['-O2', '-ffunction-sections', '-fdata-sections'];
  // The helpers for them in libgcc ask libc for something that only glibc has.
  if (target.arch === 'arm64') flags.push('-mno-outline-atomics');
  if (musl === undefined) return [...flags, '-include', join(ownFolder, 'glibc-floor.h')];
  const paths = includePaths(target.compiler);
  const isOfCompiler = (/** @type {string} */ path) => /\/gcc\/.*\/include$/.test(path);
  const isOfLibrary = (/** @type {string} */ path) => path.includes('/c++/');
  const system = [
    ...paths.filter(isOfLibrary),
    join(musl, 'usr/include', target.triple),
    ...paths.filter(isOfCompiler),
  ];
  return [
    ...flags,
    '-nostdinc',
    '-nostdinc++',
    ...system.flatMap((path) => ['-isystem', path]),
    '-idirafter',
    kernelHeaders(paths, join(folder, 'kernel-headers')),
    '-include',
    join(ownFolder, 'musl-shim.h'),
  ];
}

/**
 * What an addon is linked with, besides its objects and the runtime.
 *
 * @param {Target} target
 * @returns {string[]}
 */
export function linkFlags(target) {
  const exports = `-Wl,--version-script=${join(ownFolder, 'exports.map')}`;
  const libc = target.libc === 'glibc' ? ['-lc'] : [];
  return ['-nostartfiles', '-nodefaultlibs', exports, '-Wl,--gc-sections', '-s', ...libc, '-lgcc'];
}

/**
 * Musl's headers and its dynamic linker, from Debian's packages for the target's processor. They are
 * unpacked, not installed, and apt keeps its lists in a folder of ours: the machine stays as it is.
 *
 * @param {Target} target
 * @param {string} folder
 * @returns {Promise<string>} the root of what was unpacked
 */
export async function provideMusl(target, folder) {
  const root = join(folder, `musl-${target.debianArch}`);
  if (existsSync(join(root, 'usr/include', target.triple, 'stdio.h'))) return root;
  const apt = join(folder, `apt-${target.debianArch}`);
  rmSync(apt, { recursive: true, force: true });
  for (const name of ['lists/partial', 'cache/archives/partial', 'packages']) {
    mkdirSync(join(apt, name), { recursive: true });
  }
  const options = [
    `APT::Architecture=${target.debianArch}`,
    `APT::Architectures=${target.debianArch}`,
    `Dir::State::Lists=${join(apt, 'lists')}`,
    `Dir::Cache=${join(apt, 'cache')}`,
    'Dir::State::status=/dev/null',
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);
  const packages = join(apt, 'packages');
  await demand(['apt-get', ...options, '-q', 'update'], packages);
  await demand(['apt-get', ...options, '-q', 'download', 'musl', 'musl-dev'], packages);
  await demand(['sh', '-c', `for each in *.deb; do dpkg-deb -x "$each" '${root}'; done`], packages);
  rmSync(apt, { recursive: true });
  return root;
}

/**
 * @param {string} compiler
 * @returns {string[]} where it looks for headers
 */
function includePaths(compiler) {
  const { stderr } = spawnSync(compiler, ['-E', '-x', 'c++', '-v', '-'], {
    input: '',
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  const [, list = ''] = /<\.\.\.> search starts here:\n(.*?)End of search list/s.exec(stderr) ?? [];
  return list.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));
}

/**
 * A folder with the kernel's headers and nothing of glibc's beside them.
 *
 * @param {readonly string[]} paths
 * @param {string} folder
 */
function kernelHeaders(paths, folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of ['linux', 'asm', 'asm-generic']) {
    const place = paths.map((path) => join(path, name)).find((path) => existsSync(path));
    if (place === undefined) {
      throw new SetupError(
        `The kernel's headers (${name}) are missing.`,
        'Install linux-libc-dev.',
      );
    }
    symlinkSync(place, join(folder, name));
  }
  return folder;
}

/**
 * @param {readonly string[]} argv
 * @param {string} cwd
 */
async function demand(argv, cwd) {
  const { code, output } = await runCaptured(argv, { cwd });
  if (code === 0) return;
  throw new SetupError(
    "Musl's headers could not be fetched.",
    "They are in Debian's packages musl and musl-dev.",
    output,
  );
}
