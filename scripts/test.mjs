/**
 * `npm test`: the set-up, then every test that this machine can run, then a report that names what
 * it could not run. `npm test -- packages/rawsock -t 'some name'` passes filters on to vitest;
 * `npm test -- --project unit` runs one kind only (may be repeated). OXMEM_KERNEL=0 leaves out what
 * needs a kernel with NBD; OXMEM_KERNEL=guest boots one even where this machine has it.
 */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootstrap } from './bootstrap.mjs';
import {
  browserCommands,
  canInstall,
  installPackages,
  installRemedy,
  missingCommands,
  packagesOf,
  testCommands,
} from './debian-packages.mjs';
import { provideKernelLab } from './kernel-lab/guest.mjs';
import { takeHostKernel } from './kernel-lab/host-kernel.mjs';
import { runInGuests } from './kernel-lab/kernel-tests.mjs';
import { provideKernelTestTools, whyNoLab } from './kernel-lab/lab-tools.mjs';
import { privateNetworkPrefix } from './netns.mjs';
import { provideFreshInstall } from './packing/fresh-install.mjs';
import { createProgress } from './progress.mjs';
import { repositoryRoot } from './repository.mjs';
import { runCaptured, runShown, tail } from './run-command.mjs';
import { printFailure, SetupError } from './setup-error.mjs';
import { printReport } from './test-report.mjs';

/** @typedef {import('./vitest-results.mjs').TestCaseRecord} TestCaseRecord */
/**
 * @typedef {object} RunContext
 * @property {NodeJS.ProcessEnv} env
 * @property {string[]} filters for vitest: parts of file names, options
 * @property {string | undefined} namePattern only tests whose name it matches
 * @property {string} folder for results, removed at the end
 */

/** @typedef {'here' | 'private network' | 'kernel'} Place */
/** @typedef {{ projects: string[], place: Place, limitMinutes: number }} Group */

/**
 * One group after the other, each one vitest process here or in a network of its own; those of the
 * kernel are several, see runKernelGroup. None may hang the run: after its limit, far above what it
 * needs, it is ended.
 *
 * @type {Group[]}
 */
const groups = [
  { projects: ['unit', 'property', 'sim'], place: 'here', limitMinutes: 15 },
  { projects: ['native'], place: 'private network', limitMinutes: 15 },
  { projects: ['e2e'], place: 'private network', limitMinutes: 40 },
  { projects: ['kernel'], place: 'kernel', limitMinutes: 30 },
];

/**
 * Installs the clients that the end-to-end tests drive, where we may; else says which are missing.
 *
 * @param {import('./progress.mjs').Progress} progress
 */
export async function provideTestTools(progress) {
  const groups = [testCommands, browserCommands];
  for (const missing of groups.map(missingCommands)) {
    if (missing.length === 0 || !canInstall()) continue;
    const packages = packagesOf(missing);
    const result = await progress.step(`installing Debian packages ${packages.join(' ')}`, () =>
      installPackages(packages),
    );
    if (result.code !== 0) console.error(tail(result.output, 15));
  }
  const left = missingCommands(groups.flat());
  if (left.length > 0) {
    progress.note(`Missing: ${left.join(', ')}; tests that need them are skipped by name.`);
    progress.note(`To have them run: ${installRemedy(left)}`);
  }
}

/**
 * Runs the tests.
 *
 * @param {NodeJS.ProcessEnv} env as bootstrap() returns it
 * @param {readonly string[]} args filters and options for vitest, and `--project NAME`
 * @returns {Promise<TestCaseRecord[]>} every test case of every project, run or not
 */
export async function runTests(env, args) {
  const { projects, filters, namePattern } = parseArguments(args);
  const folder = mkdtempSync(join(tmpdir(), 'oxmem-test-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const onInterrupt = () => process.exit(130); // the terminal has interrupted vitest too
  process.once('SIGINT', onInterrupt);
  process.once('exit', remove);
  /** @type {TestCaseRecord[]} */
  const cases = [];
  try {
    for (const group of groups) {
      const wanted = group.projects.filter((name) => projects?.includes(name) ?? true);
      if (wanted.length === 0) continue;
      const context = { env, filters, namePattern, folder };
      cases.push(...(await runGroup({ ...group, projects: wanted }, context)));
    }
  } finally {
    process.removeListener('SIGINT', onInterrupt);
    process.removeListener('exit', remove);
    remove();
  }
  const unknown = (projects ?? []).filter(
    (name) => !groups.some((group) => group.projects.includes(name)),
  );
  for (const name of unknown) cases.push(failed(name, `there is no project ${name}`));
  if (cases.length === 0) cases.push(failed('', `no test matches ${args.join(' ')}`));
  return cases;
}

/**
 * @param {readonly string[]} args
 * @returns {{ projects?: string[], filters: string[], namePattern: string | undefined }}
 */
function parseArguments(args) {
  /** @type {string[]} */
  const projects = [];
  /** @type {string[]} */
  const filters = [];
  /** @type {string | undefined} */
  let namePattern;
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const [, option = '', value] = /^(--project|--testNamePattern|-t)(?:=(.*))?$/s.exec(arg) ?? [];
    if (option === '') filters.push(arg);
    else if (option === '--project') projects.push(value ?? rest.shift() ?? '');
    else namePattern = value ?? rest.shift() ?? '';
  }
  return { ...(projects.length > 0 ? { projects } : {}), filters, namePattern };
}

/**
 * @param {Group} group
 * @param {RunContext} context
 * @returns {Promise<TestCaseRecord[]>}
 */
async function runGroup(group, context) {
  const { projects, place } = group;
  const records = await (place === 'kernel'
    ? runKernelGroup(group, context)
    : runInOnePlace(group, context));
  const isWhole = context.filters.length === 0 && context.namePattern === undefined;
  for (const project of isWhole ? projects : []) {
    if (!records.some((record) => record.project === project)) {
      records.push(failed(project, 'the project has no test'));
    }
  }
  return records;
}

/**
 * @param {Group} group
 * @param {RunContext} context
 * @returns {Promise<TestCaseRecord[]>}
 */
async function runInOnePlace({ projects, place, limitMinutes }, context) {
  const isPrivate = place === 'private network';
  const { argv: prefix = [], reason } = isPrivate ? privateNetworkPrefix() : {};
  if (reason !== undefined) return listSkipped(projects, { reason, need: 'netns' }, context);
  console.log(`\n=== ${projects.join(', ')}${isPrivate ? ' (in a network of its own)' : ''}`);
  const installed = await provideFreshInstall(projects, context);
  const resultsFile = newResultsFile(projects, context);
  const { namePattern } = context;
  const env = {
    ...context.env,
    ...installed,
    OXMEM_RESULTS_FILE: resultsFile,
    OXMEM_NAME_PATTERN: namePattern,
  };
  const reporters = ['--reporter=default', '--reporter=./scripts/vitest-results.mjs'];
  const options = [...reporters, '--passWithNoTests', ...patternArgs(context)];
  const argv = ['vitest', 'run', ...options, ...projectArgs(projects), ...context.filters];
  const timeoutMs = limitMinutes * 60_000;
  const run = { cwd: repositoryRoot, env, timeoutMs };
  const { code, problem } = await runShown([...prefix, ...argv], run);
  const cases = readResults(resultsFile);
  if (problem !== undefined && problem.includes('\n')) console.error(problem);
  if (!cases.isComplete) {
    cases.records.push(
      failed(projects.join('+'), `vitest did not finish: ${problem ?? `exit code ${code}`}`),
    );
  } else if (code !== 0 && !cases.records.some(({ state }) => state === 'failed')) {
    cases.records.push(
      failed(projects.join('+'), problem ?? `vitest ended with exit code ${code}`),
    );
  }
  if (isPrivate) cases.records.push(...endStragglers(projects, resultsFile));
  return cases.records;
}

/**
 * What needs a kernel with the NBD driver runs on this machine's where it has one, else in guests.
 *
 * @param {Group} group
 * @param {RunContext} context
 * @returns {Promise<TestCaseRecord[]>}
 */
async function runKernelGroup(group, context) {
  const { projects, limitMinutes } = group;
  const choice = process.env['OXMEM_KERNEL'];
  const progress = createProgress();
  const host = choice === '0' || choice === 'guest' ? undefined : takeHostKernel();
  try {
    const reason = await whyNoKernel({ choice, isHost: host !== undefined, progress });
    if (reason !== undefined)
      return await listSkipped(projects, { reason, need: 'kernel' }, context);
    const all = await listCases(projects, context);
    const broken = all.filter(({ state }) => state === 'failed');
    const unloadable = new Set(broken.map(({ file }) => file));
    const listed = all.filter(({ file }) => !unloadable.has(file));
    if (listed.length === 0) return broken;
    if (host !== undefined) return [...broken, ...(await runOnHostKernel(group, context, listed))];
    console.log(`\n=== ${projects.join(', ')} (on a kernel of its own)`);
    const lab = await provideKernelLab(progress);
    const isOption = (/** @type {string} */ arg) => arg.startsWith('-');
    const options = [...patternArgs(context), ...context.filters.filter(isOption)];
    const limitMs = limitMinutes * 60_000;
    const env = { ...context.env, OXMEM_NAME_PATTERN: context.namePattern };
    const { folder } = context;
    return [...broken, ...(await runInGuests({ lab, env, folder, listed, options, limitMs }))];
  } finally {
    host?.release();
  }
}

/**
 * @param {{ choice: string | undefined, isHost: boolean,
 *   progress: import('./progress.mjs').Progress }} given
 * @returns {Promise<string | undefined>}
 */
async function whyNoKernel({ choice, isHost, progress }) {
  if (choice === '0') return 'left out by OXMEM_KERNEL=0';
  const reason = isHost ? undefined : whyNoLab();
  if (reason !== undefined) return reason;
  try {
    await (isHost ? provideKernelTestTools(progress) : provideKernelLab(progress));
    return undefined;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    // On this machine's kernel each case says itself what it misses.
    return isHost ? undefined : `${error.message} ${error.remedy}`;
  }
}

/**
 * What uses the network runs in one of its own; the others run here, where the NBD driver's netlink
 * family is.
 *
 * @param {Group} group
 * @param {RunContext} context
 * @param {readonly TestCaseRecord[]} listed
 * @returns {Promise<TestCaseRecord[]>}
 */
async function runOnHostKernel(group, context, listed) {
  const isOfPackage = (/** @type {string} */ file) => file.startsWith('packages/');
  const options = context.filters.filter((arg) => arg.startsWith('-'));
  const files = [...new Set(listed.map(({ file }) => file))];
  /** @type {TestCaseRecord[]} */
  const records = [];
  for (const place of /** @type {const} */ (['here', 'private network'])) {
    const own = files.filter((file) => isOfPackage(file) === (place === 'here'));
    if (own.length === 0) continue;
    const filters = [...options, ...own];
    records.push(...(await runInOnePlace({ ...group, place }, { ...context, filters })));
  }
  return records;
}

/** @param {RunContext} context */
function patternArgs({ namePattern }) {
  return namePattern === undefined ? [] : [`--testNamePattern=${namePattern}`];
}

let resultsFiles = 0;

/**
 * @param {string[]} projects
 * @param {RunContext} context
 */
function newResultsFile(projects, { folder }) {
  return join(folder, `${projects.join('-')}-${resultsFiles++}.jsonl`);
}

/** @param {string[]} projects */
function projectArgs(projects) {
  return projects.map((name) => `--project=${name}`);
}

/**
 * @param {string} file
 * @returns {{ records: TestCaseRecord[], isComplete: boolean }}
 */
function readResults(file) {
  if (!existsSync(file)) return { records: [], isComplete: false };
  /** @type {import('./vitest-results.mjs').ResultLine[]} */
  const lines = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  return {
    records: lines.filter((line) => 'state' in line),
    isComplete: lines.some((line) => 'end' in line),
  };
}

/**
 * Names the tests of projects that cannot run here, without running them.
 *
 * @param {string[]} projects
 * @param {{ reason: string, need: string }} lack `need`: its name in OXMEM_REQUIRE
 * @param {RunContext} context
 * @returns {Promise<TestCaseRecord[]>}
 */
async function listSkipped(projects, { reason, need }, context) {
  const isRequired = (context.env.OXMEM_REQUIRE ?? '')
    .split(',')
    .some((demand) => demand === need || demand === 'all');
  if (isRequired) return [failed(projects.join('+'), `required by OXMEM_REQUIRE: ${reason}`)];
  const records = await listCases(projects, context);
  return records.map((record) => (record.state === 'skipped' ? { ...record, reason } : record));
}

/**
 * @param {string[]} projects
 * @param {RunContext} context
 * @returns {Promise<TestCaseRecord[]>} each wanted case as skipped; what cannot be loaded as failed
 */
async function listCases(projects, context) {
  const { env, filters, namePattern } = context;
  const resultsFile = newResultsFile(projects, context);
  // No test has this name, so vitest loads the files and runs nothing of them, not even hooks.
  const nothing = ['--reporter=./scripts/vitest-results.mjs', '--testNamePattern=$.^'];
  const argv = ['vitest', 'run', '--passWithNoTests', ...nothing, ...projectArgs(projects)];
  const own = { OXMEM_RESULTS_FILE: resultsFile, OXMEM_NAME_PATTERN: namePattern };
  const result = await runCaptured([...argv, ...filters], {
    cwd: repositoryRoot,
    env: { ...env, ...own, OXMEM_REQUIRE: '' },
  });
  const { records, isComplete } = readResults(resultsFile);
  if (!isComplete) {
    console.error(tail(result.output, 40));
    records.push(failed(projects.join('+'), 'its tests could not be listed'));
  }
  return records;
}

/**
 * Nothing may be left behind: what a group's tests started and did not end is named, counted as a
 * failure, and ended by its process id. They are known by the results file in their environment.
 *
 * @param {string[]} projects
 * @param {string} resultsFile
 * @returns {TestCaseRecord[]}
 */
function endStragglers(projects, resultsFile) {
  const mark = `OXMEM_RESULTS_FILE=${resultsFile}\0`;
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    try {
      if (!`${readFileSync(`/proc/${pid}/environ`, 'utf8')}\0`.includes(mark)) return [];
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      process.kill(Number(pid), 'SIGKILL');
      return [failed(projects.join('+'), `left running and ended: process ${pid}, ${command}`)];
    } catch {
      return []; // ended by itself meanwhile, or not ours to look at
    }
  });
}

/**
 * @param {string} project
 * @param {string} reason
 * @returns {TestCaseRecord}
 */
function failed(project, reason) {
  return { project, file: '', name: '(the run itself)', state: 'failed', durationMs: 0, reason };
}

if (process.argv[1] === import.meta.filename) {
  const startedMs = performance.now();
  const progress = createProgress();
  try {
    const { env } = await bootstrap({ progress });
    await provideTestTools(progress);
    const cases = await runTests(env, process.argv.slice(2));
    const seconds = (performance.now() - startedMs) / 1000;
    process.exitCode = printReport(cases, { seconds }) ? 0 : 1;
  } catch (error) {
    printFailure(error);
    console.log('0 passed, 1 failed, 0 skipped');
    process.exitCode = 1;
  }
}
