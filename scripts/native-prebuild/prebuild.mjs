/**
 * `pnpm native:prebuild`: the addons of all native packages for every machine that we ship them for,
 * into `packages/NAME/prebuilds/`, where node-gyp-build finds them. They ask for nothing but libc:
 * not for libstdc++, and on glibc not for one newer than Node 20 itself needs.
 *
 *   node scripts/native-prebuild/prebuild.mjs [TARGET...]     linux-x64-glibc, linux-arm64-musl ...
 *
 * Debian's compilers make all of them; as root they are installed where they are missing.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import {
  canInstall,
  fullPath,
  installPackages,
  installRemedy,
  missingCommands,
  packagesOf,
} from '../debian-packages.mjs';
import { createProgress } from '../progress.mjs';
import { packageFolders, repositoryRoot } from '../repository.mjs';
import { runCaptured } from '../run-command.mjs';
import { printFailure, SetupError } from '../setup-error.mjs';
import { symbolProblems } from './libc-symbols.mjs';
import { compileFlags, linkFlags, provideMusl, targets } from './targets.mjs';

/** @typedef {import('./targets.mjs').Target} Target */

/** Where musl is unpacked, and packages are compiled. */
export const prebuildCache = join(repositoryRoot, 'node_modules', '.cache', 'oxmem', 'prebuild');
const runtimeSource = join(import.meta.dirname, 'cxx-runtime.cc');

/** @returns {string[]} the folders of the packages that have an addon */
export function nativePackageFolders() {
  return packageFolders().filter((folder) => existsSync(join(folder, 'binding.gyp')));
}

/**
 * The place of a prebuilt addon.
 *
 * @param {string} packageFolder
 * @param {Target} target
 */
export function prebuiltFile(packageFolder, { arch, libc }) {
  const { name } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'));
  const file = `${name.replaceAll('/', '+')}.${libc}.node`;
  return join(packageFolder, 'prebuilds', `linux-${arch}`, file);
}

/**
 * @param {string} packageFolder
 * @param {Target} target
 * @returns {boolean} whether the addon was made, and after its sources were last changed
 */
export function isPrebuilt(packageFolder, target) {
  const file = prebuiltFile(packageFolder, target);
  if (!existsSync(file)) return false;
  const native = join(packageFolder, 'native');
  const sources = readdirSync(native)
    .filter((name) => /\.(cc|h)$/.test(name))
    .map((name) => join(native, name));
  const madeMs = statSync(file).mtimeMs;
  return [...sources, join(packageFolder, 'binding.gyp'), runtimeSource].every(
    (source) => statSync(source).mtimeMs < madeMs,
  );
}

/**
 * @param {readonly Target[]} wanted
 * @param {import('../progress.mjs').Progress} progress
 */
async function provideTools(wanted, progress) {
  const commands = [...new Set(wanted.map(({ compiler }) => compiler)), 'make', 'python3', 'nm'];
  const missing = missingCommands(commands);
  if (missing.length === 0) return;
  const sentence = `Missing to compile the addons: ${missing.join(', ')}.`;
  if (!canInstall()) throw new SetupError(sentence, `On Debian: ${installRemedy(missing)}`);
  const packages = packagesOf(missing);
  const result = await progress.step(`installing Debian packages ${packages.join(' ')}`, () =>
    installPackages(packages),
  );
  if (missingCommands(commands).length === 0) return;
  throw new SetupError(sentence, `apt-get could not install ${packages.join(' ')}.`, result.output);
}

/**
 * Compiles the addon of one package for one target.
 *
 * @param {string} packageFolder
 * @param {Target} target
 * @param {string | undefined} musl where musl is, for a musl target
 */
async function prebuild(packageFolder, target, musl) {
  const work = join(prebuildCache, target.name, packageFolder.replace(/^.*\//, ''));
  copyPackage(packageFolder, work);
  const flags = compileFlags(target, work, musl);
  const runtime = join(work, 'cxx-runtime.o');
  const ownFlags = ['-std=c++17', '-fPIC', '-fno-exceptions', '-fno-rtti', '-fvisibility=hidden'];
  const compile = [target.compiler, '-c', runtimeSource, '-o', runtime, ...ownFlags, ...flags];
  await demand(compile, { cwd: work });
  const binFolder = join(packageFolder, 'node_modules', '.bin');
  const env = {
    ...process.env,
    ...nodeHeaders(),
    PATH: `${binFolder}:${fullPath()}`,
    PREBUILD_NODE_GYP: join(binFolder, 'node-gyp'),
    CC: target.compiler.replace(/g\+\+$/, 'gcc'),
    CXX: target.compiler,
    // The implementation of strings is in the runtime, once.
    CXXFLAGS: flags.join(' '),
    LDFLAGS: [runtime, ...linkFlags(target)].join(' '),
  };
  const tags = ['--arch', target.arch, '--platform', 'linux', '--libc', target.libc];
  await demand(['prebuildify', '--napi', '--tag-libc', ...tags], { cwd: work, env });
  const built = prebuiltFile(work, target);
  const problems = symbolProblems(built, await libcOf(target, musl));
  if (problems.length > 0) {
    throw new SetupError(`${built} would not load.`, problems.join('\n'));
  }
  const place = prebuiltFile(packageFolder, target);
  mkdirSync(dirname(place), { recursive: true });
  renameSync(built, place);
}

/**
 * A copy of what an addon is made of: node-gyp builds below the package, where the machine's own
 * addon is in use.
 *
 * @param {string} packageFolder
 * @param {string} work
 */
function copyPackage(packageFolder, work) {
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  for (const name of ['package.json', 'binding.gyp', 'native']) {
    cpSync(join(packageFolder, name), join(work, name), { recursive: true });
  }
  symlinkSync(join(packageFolder, 'node_modules'), join(work, 'node_modules'));
}

/** @returns {Record<string, string>} Node's own headers if they came with it, else none */
function nodeHeaders() {
  const prefix = dirname(dirname(process.execPath));
  const isComplete = existsSync(join(prefix, 'include', 'node', 'common.gypi'));
  return isComplete ? { npm_config_nodedir: prefix } : {};
}

/**
 * @param {Target} target
 * @param {string | undefined} musl
 * @returns {Promise<string>} the shared object of the target's libc
 */
async function libcOf({ compiler }, musl) {
  if (musl !== undefined) return muslLoader(musl);
  const output = await demand([compiler, '-print-file-name=libc.so.6'], {});
  return output.trim();
}

/**
 * @param {string} root what `provideMusl` returned
 * @returns {string} musl's shared object, which is its dynamic linker as well
 */
export function muslLoader(root) {
  const folder = join(root, 'lib');
  return join(folder, readdirSync(folder).find((name) => name.startsWith('ld-musl-')) ?? '');
}

/**
 * @param {readonly string[]} argv
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} options
 * @returns {Promise<string>} its output
 */
async function demand(argv, options) {
  const { code, output } = await runCaptured(argv, options);
  if (code === 0) return output;
  throw new SetupError(`${argv[0]} failed.`, 'What it said stands above.', output);
}

/** @param {readonly string[]} names of targets; none: all */
async function main(names) {
  const unknown = names.filter((name) => !targets.some((target) => target.name === name));
  if (unknown.length > 0) {
    const known = targets.map(({ name }) => name).join(', ');
    throw new SetupError(`There is no target ${unknown.join(', ')}.`, `There are ${known}.`);
  }
  const wanted = targets.filter(({ name }) => names.length === 0 || names.includes(name));
  const progress = createProgress();
  await provideTools(wanted, progress);
  for (const target of wanted) {
    await progress.step(`addons for ${target.name}`, async () => {
      const musl = target.libc === 'musl' ? await provideMusl(target, prebuildCache) : undefined;
      await Promise.all(nativePackageFolders().map((folder) => prebuild(folder, target, musl)));
    });
  }
}

if (process.argv[1] === import.meta.filename) {
  await main(process.argv.slice(2)).catch((error) => {
    printFailure(error);
    process.exitCode = 1;
  });
}
