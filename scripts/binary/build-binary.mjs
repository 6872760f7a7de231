/**
 * `pnpm build:binary`: the driver as one executable, build/binary/oxmem-bdev: Node with the program
 * and its native addons inside (Node's single executable application). What file capabilities are
 * given to it, nobody else gets.
 *
 *   node scripts/binary/build-binary.mjs [--arch=x64|arm64] [--node=VERSION] [--out=FILE]
 *     [--portable]
 *
 * --arch       another processor than this one's; takes the prebuilt addons (pnpm native:prebuild)
 * --node       the Node to put it into, from the npm registry; otherwise the one that runs
 * --portable   not with the addons that were built for this machine, whose libc may be newer
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { isPrebuilt, nativePackageFolders, prebuiltFile } from '../native-prebuild/prebuild.mjs';
import { targets } from '../native-prebuild/targets.mjs';
import { provideNode } from '../node-programs.mjs';
import { createProgress } from '../progress.mjs';
import { repositoryRoot } from '../repository.mjs';
import { runCaptured } from '../run-command.mjs';
import { printFailure, SetupError } from '../setup-error.mjs';
import { bundleDriver } from './bundle.mjs';

/** Marks the place in Node's program that says whether something is inside. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
/** Where the binary is unless told. */
export const defaultBinary = join(repositoryRoot, 'build', 'binary', 'oxmem-bdev');

/**
 * @typedef {object} BinaryOptions
 * @property {'x64' | 'arm64'} arch
 * @property {string | undefined} node version; undefined: the running one
 * @property {string} out
 * @property {boolean} isPortable only with addons that run with an older libc as well
 */

/**
 * @param {BinaryOptions} options
 * @param {import('../progress.mjs').Progress} progress
 * @returns {Promise<void>}
 */
export async function buildBinary({ arch, node, out, isPortable }, progress) {
  const work = mkdtempSync(join(tmpdir(), 'oxmem-binary-'));
  try {
    const program = await baseProgram(arch, node);
    const assets = Object.fromEntries(
      nativePackageFolders().map((folder) => [
        folder.slice(folder.lastIndexOf('/') + 1),
        addonFile(folder, arch, isPortable),
      ]),
    );
    const main = join(work, 'main.cjs');
    await progress.step('bundling the driver', () => bundleDriver(main));
    const blob = join(work, 'program.blob');
    const config = {
      main,
      output: blob,
      assets,
      disableExperimentalSEAWarning: true,
      useSnapshot: false,
      useCodeCache: false,
    };
    writeFileSync(join(work, 'config.json'), JSON.stringify(config));
    // The format of what is inside is that of the Node that it is put into.
    const maker = arch === process.arch ? program : process.execPath;
    await demand([maker, '--experimental-sea-config', join(work, 'config.json')]);
    await progress.step(`putting it into ${program}`, () => inject(program, blob, out));
  } finally {
    rmSync(work, { recursive: true });
  }
}

/**
 * @param {'x64' | 'arm64'} arch
 * @param {string | undefined} version
 * @returns {Promise<string>} path of a Node with room for a program
 */
async function baseProgram(arch, version) {
  const isOwn = version === undefined && arch === process.arch;
  const program = isOwn
    ? process.execPath
    : await provideNode(version ?? process.versions.node, arch);
  if (readFileSync(program).includes(FUSE)) return program;
  throw new SetupError(
    `${program} takes no program inside: it is only a part of Node (libnode).`,
    `Give --node=${process.versions.node} to take the one of the npm registry.`,
  );
}

/**
 * @param {string} folder of a native package
 * @param {'x64' | 'arm64'} arch
 * @param {boolean} isPortable
 * @returns {string} its addon: the prebuilt one, else that of this machine
 */
function addonFile(folder, arch, isPortable) {
  const target = targets.find((each) => each.arch === arch && each.libc === 'glibc');
  if (target !== undefined && isPrebuilt(folder, target)) return prebuiltFile(folder, target);
  const isOwn = arch === process.arch && !isPortable;
  const release = join(folder, 'build', 'Release');
  const built = existsSync(release) && readdirSync(release).find((name) => name.endsWith('.node'));
  if (isOwn && typeof built === 'string') return join(release, built);
  throw new SetupError(
    `${folder} has no prebuilt addon for ${arch} that is newer than its sources.`,
    `"pnpm native:prebuild linux-${arch}-glibc" makes it${isOwn ? ', or "pnpm build" one' : ''}.`,
  );
}

/**
 * @param {string} program
 * @param {string} blob
 * @param {string} out
 */
async function inject(program, blob, out) {
  mkdirSync(dirname(out), { recursive: true });
  const made = `${out}.new`;
  copyFileSync(program, made);
  chmodSync(made, 0o755);
  const postject = createRequire(import.meta.url).resolve('postject/dist/cli.js');
  const options = ['--sentinel-fuse', FUSE];
  await demand([process.execPath, postject, made, 'NODE_SEA_BLOB', blob, ...options]);
  // Also where the old one runs: a running program cannot be written to, but replaced.
  renameSync(made, out);
}

/** @param {readonly string[]} argv */
async function demand(argv) {
  const { code, output } = await runCaptured(argv);
  if (code !== 0) throw new SetupError(`${argv.join(' ')} failed.`, 'See above.', output);
}

/**
 * @param {readonly string[]} args
 * @returns {BinaryOptions}
 */
function readOptions(args) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      arch: { type: 'string', default: process.arch },
      node: { type: 'string' },
      out: { type: 'string', default: defaultBinary },
      portable: { type: 'boolean', default: false },
    },
  });
  const { arch, node, out, portable: isPortable } = values;
  if (arch !== 'x64' && arch !== 'arm64') {
    throw new SetupError(`--arch=${arch} will not do.`, 'It takes x64 or arm64.');
  }
  return { arch, node, out: resolve(out), isPortable };
}

if (process.argv[1] === import.meta.filename) {
  try {
    const options = readOptions(process.argv.slice(2));
    await buildBinary(options, createProgress());
    const megabytes = Math.round(statSync(options.out).size / 2 ** 20);
    console.log(`${options.out}: ${megabytes} MiB`);
  } catch (error) {
    printFailure(error);
    process.exitCode = 1;
  }
}
