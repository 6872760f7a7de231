/**
 * What a stranger has: an empty folder, Node and npm, no compiler, no part of this repository. The
 * packages are installed there from their tarballs; tests/fresh-install.e2e.test.ts uses them.
 *
 * The install needs the registry, which a test in a network of its own does not reach, so `npm test`
 * does it before and tells the test where (OXMEM_FRESH_INSTALL).
 */
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fullPath, hasCommand } from '../debian-packages.mjs';
import { provideNode } from '../node-programs.mjs';
import { createProgress } from '../progress.mjs';
import { runCaptured, tail } from '../run-command.mjs';
import { packAll, putOwnAddonIn } from './pack.mjs';

/**
 * @typedef {object} FreshInstall
 * @property {string} version of Node
 * @property {string} project the folder that was empty
 * @property {string} path PATH in it: Node, npm and a shell
 * @property {number} seconds that the install took
 * @property {string} [problem] why it failed
 * @property {boolean} [isOffline] it failed because there is no registry
 */

/** The test that uses it. */
const testFile = 'tests/fresh-install.e2e.test.ts';
/** Installed beside the running Node's when asked for: `pnpm test:nodes`. */
const otherVersions = ['20', '22', '24'];

/**
 * Installs the packages if their test is going to run.
 *
 * @param {readonly string[]} projects of vitest that are going to run
 * @param {{ filters: readonly string[], folder: string, env: NodeJS.ProcessEnv }} run `folder` is
 *   for results and removed by the caller
 * @returns {Promise<Record<string, string>>} what to add to the environment of the tests
 */
export async function provideFreshInstall(projects, { filters, folder, env }) {
  const paths = filters.filter((filter) => !filter.startsWith('-'));
  const isWanted = paths.length === 0 || paths.some((path) => testFile.includes(path));
  if (!projects.includes('e2e') || !isWanted) return {};
  const resultFile = join(folder, 'fresh-installs.json');
  const installs = await createProgress().step('installing the packed packages', () =>
    installAll(folder, env),
  );
  writeFileSync(resultFile, JSON.stringify(installs));
  return { OXMEM_FRESH_INSTALL: resultFile };
}

/**
 * @param {string} folder
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<FreshInstall[]>}
 */
async function installAll(folder, env) {
  const tarballs = join(folder, 'tarballs');
  mkdirSync(tarballs);
  const packages = await packAll(tarballs, env);
  for (const packed of packages) await putOwnAddonIn(packed);
  const own = process.versions.node;
  const isEveryVersion = (env.OXMEM_ASKED ?? '').split(',').includes('nodes');
  const others = otherVersions.filter((version) => !own.startsWith(`${version}.`));
  /** @type {FreshInstall[]} */
  const installs = [];
  for (const wanted of [own, ...(isEveryVersion ? others : [])]) {
    const program = wanted === own ? process.execPath : await provideNode(wanted);
    const version = (await runCaptured([program, '-p', 'process.versions.node'])).output.trim();
    installs.push(await installOne({ version, program, packages, folder }));
  }
  return installs;
}

/**
 * @param {{ version: string, program: string, folder: string,
 *   packages: readonly import('./pack.mjs').PackedPackage[] }} given
 * @returns {Promise<FreshInstall>}
 */
async function installOne({ version, program, packages, folder }) {
  const project = join(folder, `project-${version}`);
  const path = barePath(join(folder, `bin-${version}`), program);
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }\n');
  const files = packages.map(({ tarball }) => tarball);
  const options = ['--prefer-offline', '--no-audit', '--no-fund', '--omit=peer'];
  const env = { PATH: path, HOME: process.env.HOME ?? '/', ...registrySettings() };
  const startedMs = performance.now();
  const argv = ['npm', 'install', ...options, ...files];
  const { code, output } = await runCaptured(argv, { cwd: project, env });
  const seconds = (performance.now() - startedMs) / 1000;
  const install = { version, project, path, seconds };
  if (code === 0) return install;
  const isOffline = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENOTCACHED/.test(output);
  return { ...install, isOffline, problem: tail(output, 20) };
}

/**
 * A folder with nothing but Node, npm and a shell.
 *
 * @param {string} folder
 * @param {string} node
 * @returns {string} for PATH
 */
function barePath(folder, node) {
  mkdirSync(folder);
  symlinkSync(node, join(folder, 'node'));
  for (const name of ['npm', 'sh']) {
    const place = fullPath()
      .split(':')
      .find((each) => hasCommand(name, each));
    symlinkSync(realpathSync(join(place ?? '', name)), join(folder, name));
  }
  return folder;
}

/** @returns {NodeJS.ProcessEnv} where this machine's npm installs from */
function registrySettings() {
  const isSetting = (/** @type {string} */ name) =>
    /^npm_config_|_proxy$|^NODE_EXTRA_CA/i.test(name);
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => isSetting(name)));
}
