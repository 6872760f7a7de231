/**
 * Brings a fresh clone to the point where everything can run: pnpm, the packages, the native addons
 * and the compiled TypeScript. A second run that finds nothing to do takes about a second.
 *
 * `npm run demo`, `npm test` and `.ci/run` call it first; by itself: `node scripts/bootstrap.mjs`.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import {
  canInstall,
  fullPath,
  installPackages,
  installRemedy,
  missingCommands,
  networkCommands,
  packagesOf,
  toolchainCommands,
} from './debian-packages.mjs';
import { createProgress } from './progress.mjs';
import { repositoryRoot, workspaceFolders } from './repository.mjs';
import { runCaptured } from './run-command.mjs';
import { printFailure, SetupError } from './setup-error.mjs';

/**
 * The commands that stand in node_modules/.bin of the root afterwards, and their files. They are
 * linked here: were they dependencies of the root, turbo would count every source file of theirs as
 * an input of every task, and compile the native addons anew at each change.
 */
const commands = {
  'oxmem-bdev': 'packages/oxmem-bdev/bin/oxmem-bdev.js',
  'oxmem-sim-endpoint': 'packages/sim-endpoint/bin/oxmem-sim-endpoint.js',
  'oxmem-tloe': 'packages/oxmem-tloe/bin/oxmem-tloe.js',
};
const stampFile = join(repositoryRoot, 'node_modules', '.cache', 'oxmem', 'set-up.json');
const nodeMinimum = [20, 19];

/**
 * @typedef {object} Ready
 * @property {NodeJS.ProcessEnv} env environment for whatever runs next: pnpm, the packages' commands
 *   and the system folders are on its PATH
 */

/**
 * Sets everything up, or says what is in the way.
 *
 * @param {{ needsNetworkTools?: boolean, progress?: import('./progress.mjs').Progress }} [options]
 *   `needsNetworkTools`: without `ip`, `unshare` and `nsenter` the caller cannot go on
 * @returns {Promise<Ready>}
 * @throws {SetupError} with a sentence, a remedy and the output of what failed
 */
export async function bootstrap({ needsNetworkTools = false, progress = createProgress() } = {}) {
  checkNode();
  await provideToolchain(progress);
  await provideNetworkTools(progress, needsNetworkTools);
  const pnpmFolder = await findPnpm(progress);
  const env = environment(pnpmFolder);
  await installWorkspace(progress, env, pnpmFolder);
  linkCommands();
  await build(progress, env);
  return { env };
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = nodeMinimum;
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return;
  throw new SetupError(
    `This is Node ${process.versions.node}; ${nodeMinimum.join('.')} or newer is needed.`,
    'Install a current Node and run the command again.',
  );
}

/** @param {import('./progress.mjs').Progress} progress */
async function provideToolchain(progress) {
  const missing = missingCommands(toolchainCommands);
  if (missing.length === 0 || hasNativeAddons()) return;
  await provide(progress, missing, 'compile the native addons');
}

/**
 * @param {import('./progress.mjs').Progress} progress
 * @param {boolean} isRequired
 */
async function provideNetworkTools(progress, isRequired) {
  const missing = missingCommands(networkCommands);
  if (missing.length === 0) return;
  if (isRequired || canInstall()) {
    await provide(progress, missing, 'make network namespaces');
  } else {
    const remedy = installRemedy(missing);
    progress.note(`${missing.join(', ')} missing: no network namespaces (${remedy})`);
  }
}

/**
 * Installs what brings the commands, where we may.
 *
 * @param {import('./progress.mjs').Progress} progress
 * @param {readonly string[]} missing
 * @param {string} purpose
 */
async function provide(progress, missing, purpose) {
  const sentence = `Missing to ${purpose}: ${missing.join(', ')}.`;
  if (!canInstall()) {
    throw new SetupError(sentence, `Install them, on Debian: ${installRemedy(missing)}`);
  }
  const packages = packagesOf(missing);
  const result = await progress.step(`installing Debian packages ${packages.join(' ')}`, () =>
    installPackages(packages),
  );
  if (result.code === 0 && missingCommands(missing).length === 0) return;
  throw new SetupError(sentence, `apt-get could not install ${packages.join(' ')}.`, result.output);
}

/** @returns {boolean} whether every native package already has a built or a shipped binary */
function hasNativeAddons() {
  return workspaceFolders()
    .filter((folder) => existsSync(join(folder, 'binding.gyp')))
    .every(
      (folder) =>
        existsSync(join(folder, 'prebuilds')) ||
        (existsSync(join(folder, 'build/Release')) &&
          readdirSync(join(folder, 'build/Release')).some((name) => name.endsWith('.node'))),
    );
}

/**
 * The pnpm that package.json pins: from PATH when it is that version, else through npx. The place is
 * remembered, so that npx is asked once.
 *
 * @param {import('./progress.mjs').Progress} progress
 * @returns {Promise<string>} the folder to put on PATH
 */
async function findPnpm(progress) {
  const remembered = readStamp().pnpmFolder;
  if (typeof remembered === 'string' && existsSync(join(remembered, 'pnpm'))) return remembered;
  const { packageManager } = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8'));
  const version = String(packageManager).replace('pnpm@', '');
  const onPath = fullPath()
    .split(':')
    .find((folder) => existsSync(join(folder, 'pnpm')));
  if (onPath !== undefined && pnpmVersion(onPath) === version) return onPath;
  const result = await progress.step(`getting pnpm ${version}`, () =>
    runCaptured(['npx', '-y', '-p', `pnpm@${version}`, '-c', 'command -v pnpm'], { cwd: tmpdir() }),
  );
  // npm may have more to say (a notice of a new version), before or behind the answer.
  const lines = result.output.split('\n').map((line) => line.trim());
  const place = lines.find((line) => line.endsWith('/pnpm') && existsSync(line));
  if (place !== undefined) return dirname(place);
  throw new SetupError(
    `pnpm ${version} could not be got through npx.`,
    'Check that npm can reach its registry, or install it: npm install --global ' +
      `pnpm@${version}`,
    result.output,
  );
}

/**
 * @param {string} folder
 * @returns {string} asked outside of the repository, where pnpm does not look at our pin
 */
function pnpmVersion(folder) {
  const result = spawnSync(join(folder, 'pnpm'), ['--version'], { cwd: tmpdir(), timeout: 20_000 });
  return String(result.stdout ?? '').trim();
}

/**
 * @param {string} pnpmFolder
 * @returns {NodeJS.ProcessEnv}
 */
function environment(pnpmFolder) {
  const binFolder = join(repositoryRoot, 'node_modules', '.bin');
  // Logs are for reading: colours only where somebody looks at a terminal.
  const { FORCE_COLOR: forceColor, ...inherited } = process.env;
  const colours = process.stdout.isTTY === true ? { FORCE_COLOR: forceColor } : { NO_COLOR: '1' };
  return {
    ...inherited,
    ...colours,
    PATH: `${pnpmFolder}:${binFolder}:${fullPath()}`,
    DO_NOT_TRACK: '1',
    TURBO_TELEMETRY_DISABLED: '1',
    TURBO_NO_UPDATE_NOTIFIER: '1',
  };
}

/**
 * @param {import('./progress.mjs').Progress} progress
 * @param {NodeJS.ProcessEnv} env
 * @param {string} pnpmFolder
 */
async function installWorkspace(progress, env, pnpmFolder) {
  const installed = installState();
  const isThere = existsSync(join(repositoryRoot, 'node_modules', '.modules.yaml'));
  if (isThere && readStamp().installed === installed) return;
  const argv = ['pnpm', 'install', '--frozen-lockfile', '--ignore-scripts', '--prefer-offline'];
  const result = await progress.step('installing packages', () =>
    runCaptured([...argv, '--reporter=append-only'], {
      cwd: repositoryRoot,
      // CI: no question is asked, not even before a stale node_modules is replaced.
      env: { ...env, CI: 'true' },
    }),
  );
  if (result.code !== 0) {
    throw new SetupError(
      'The packages could not be installed.',
      'Check that npm can reach its registry and that pnpm-lock.yaml fits the package.json files ' +
        '(pnpm install mends it), then run the command again.',
      result.output,
    );
  }
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, JSON.stringify({ installed, pnpmFolder }));
}

/** @returns {string} a digest of all that decides what node_modules holds */
function installState() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`);
  const manifests = [repositoryRoot, ...workspaceFolders()].map((folder) =>
    join(folder, 'package.json'),
  );
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml']) {
    hash.update(readFileSync(join(repositoryRoot, file)));
  }
  for (const file of manifests) hash.update(readFileSync(file));
  return hash.digest('hex');
}

/** @returns {{ installed?: unknown, pnpmFolder?: unknown }} what the last set-up left, if anything */
function readStamp() {
  try {
    return JSON.parse(readFileSync(stampFile, 'utf8'));
  } catch {
    return {};
  }
}

/**
 * @param {import('./progress.mjs').Progress} progress
 * @param {NodeJS.ProcessEnv} env
 */
async function build(progress, env) {
  const result = await progress.step('building', () =>
    runCaptured(
      [
        'turbo',
        'run',
        'build',
        '--continue=dependencies-successful',
        '--output-logs=errors-only',
        '--log-order=grouped',
      ],
      {
        cwd: repositoryRoot,
        env,
      },
    ),
  );
  if (result.code === 0) return;
  const missing = missingCommands(toolchainCommands);
  throw new SetupError(
    'The build failed.',
    missing.length === 0
      ? 'The errors stand above; "npm run bootstrap" repeats it.'
      : `A C++ toolchain is missing, on Debian: ${installRemedy(missing)}`,
    result.output,
  );
}

function linkCommands() {
  for (const [name, file] of Object.entries(commands)) {
    const link = join(repositoryRoot, 'node_modules', '.bin', name);
    const target = join(repositoryRoot, file);
    try {
      accessSync(target, constants.X_OK);
    } catch {
      throw new SetupError(
        `${file} is missing or not executable.`,
        `Restore it (git checkout ${file}; chmod +x ${file}) and run the command again.`,
      );
    }
    if (existsSync(link) && realpathSync(link) === realpathSync(target)) continue;
    rmSync(link, { force: true });
    symlinkSync(relative(dirname(link), target), link);
  }
}

if (process.argv[1] === import.meta.filename) {
  await bootstrap().catch((error) => {
    printFailure(error);
    process.exitCode = 1;
  });
}
