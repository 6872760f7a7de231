/**
 * `pnpm pack:check [--release]`: what would be published works. Packs every public package, has
 * publint and attw look at the tarballs, installs them all in an empty project, imports every entry
 * point and runs every command. `--release`: with the prebuilt addons of every machine.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { packAll } from './packing/pack.mjs';
import { factProblems, prebuildProblems } from './packing/published-facts.mjs';
import { repositoryRoot } from './repository.mjs';
import { runCaptured, tail } from './run-command.mjs';

/** @typedef {import('./packing/pack.mjs').PackedPackage} PackedPackage */

const binFolder = join(repositoryRoot, 'node_modules', '.bin');

/**
 * @param {PackedPackage} packed
 * @returns {Promise<string[]>}
 */
async function publintProblems({ name, folder, tarball }) {
  const bytes = readFileSync(tarball);
  const content = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const { messages } = await publint({ pack: { tarball: content } });
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return messages
    .filter(({ type }) => type !== 'suggestion')
    .map((message) => `${name}: publint: ${formatMessage(message, manifest) ?? message.code}`);
}

/**
 * @param {PackedPackage} packed
 * @returns {Promise<string[]>}
 */
async function attwProblems({ name, tarball }) {
  const command = join(binFolder, 'attw');
  const argv = [command, tarball, '--profile', 'esm-only', '--format', 'ascii', '--no-emoji'];
  const result = await runCaptured([...argv, '--no-color']);
  return result.code === 0 ? [] : [`${name}: attw:\n${tail(result.output, 60)}`];
}

/**
 * An empty project with all tarballs installed, as a user would have it.
 *
 * @param {readonly PackedPackage[]} packages
 * @param {string} project
 */
async function install(packages, project) {
  const dependencies = Object.fromEntries(
    packages.map(({ name, tarball }) => [name, `file:${tarball}`]),
  );
  const manifest = { name: 'empty', version: '1.0.0', private: true, type: 'module', dependencies };
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), JSON.stringify(manifest));
  const argv = [
    'npm',
    'install',
    '--ignore-scripts',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
  ];
  const result = await runCaptured([...argv, '--omit=optional', '--omit=peer'], { cwd: project });
  if (result.code !== 0) {
    throw new Error(`the tarballs do not install:\n${tail(result.output, 30)}`);
  }
}

/**
 * Puts the optional peers beside the packages, from our own dependencies: what they are is not the
 * subject. Until then, nothing but `testing` entries may need them.
 *
 * @param {readonly PackedPackage[]} packages
 * @param {string} project
 */
function addPeers(packages, project) {
  for (const peer of packages.flatMap(({ manifest: { peerDependencies = {} } }) =>
    Object.keys(peerDependencies),
  )) {
    const link = join(project, 'node_modules', peer);
    if (existsSync(link)) continue;
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(repositoryRoot, 'node_modules', peer), link);
  }
}

/**
 * @param {PackedPackage} packed
 * @param {string} project
 * @param {{ isTesting: boolean }} kind whether to import the `testing` entries or all others
 * @returns {string[]}
 */
function importProblems({ name, manifest }, project, { isTesting }) {
  const entries = Object.keys(manifest.exports ?? {})
    .filter((entry) => !entry.endsWith('.json'))
    .filter((entry) => entry.startsWith('./testing') === isTesting);
  if (entries.length === 0 && !isTesting) return [`${name}: exports nothing`];
  return entries.flatMap((entry) => {
    const specifier = entry === '.' ? name : `${name}/${entry.slice(2)}`;
    const code = `import(${JSON.stringify(specifier)}).then((m) => {
      if (Object.keys(m).length === 0) throw new Error('it exports nothing');
    })`;
    const result = spawnSync(process.execPath, ['-e', code], { cwd: project, encoding: 'utf8' });
    return result.status === 0
      ? []
      : [`${specifier} cannot be imported:\n${withoutStack(result.stderr)}`];
  });
}

/**
 * @param {PackedPackage} packed
 * @param {string} project
 * @returns {string[]}
 */
function commandProblems({ name, manifest }, project) {
  return Object.keys(manifest.bin ?? {}).flatMap((command) => {
    const place = join(project, 'node_modules', '.bin', command);
    const result = spawnSync(place, ['--version'], { cwd: project, encoding: 'utf8' });
    const isRight = result.status === 0 && /\d+\.\d+\.\d+/.test(result.stdout);
    const shown = result.error?.message ?? `${result.stdout}${result.stderr}`;
    return isRight ? [] : [`${name}: ${command} --version fails:\n${withoutStack(shown)}`];
  });
}

/**
 * @param {string} text of a failed Node
 * @returns {string} its lines that say something
 */
function withoutStack(text) {
  const isNoise = (/** @type {string} */ line) => /^\s*(at .*|\^*|node:.*|Node\.js .*)$/.test(line);
  return tail(
    text
      .split('\n')
      .filter((line) => !isNoise(line))
      .join('\n'),
    8,
  );
}

const folder = mkdtempSync(join(tmpdir(), 'oxmem-pack-'));
/** @type {string[]} */
const problems = [];
try {
  const packages = await packAll(folder, process.env);
  for (const packed of packages) {
    problems.push(...(await publintProblems(packed)), ...(await attwProblems(packed)));
    problems.push(...(await factProblems(packed)));
    if (process.argv.includes('--release')) problems.push(...(await prebuildProblems(packed)));
  }
  const project = join(folder, 'project');
  await install(packages, project);
  for (const packed of packages) {
    problems.push(...importProblems(packed, project, { isTesting: false }));
    problems.push(...commandProblems(packed, project));
  }
  addPeers(packages, project);
  for (const packed of packages) {
    problems.push(...importProblems(packed, project, { isTesting: true }));
  }
  if (problems.length === 0) console.log(`${packages.length} packages can be published`);
} catch (error) {
  problems.push(error instanceof Error ? error.message : String(error));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exitCode = 1;
}
