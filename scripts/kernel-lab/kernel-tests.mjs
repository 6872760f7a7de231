/**
 * The tests that want a real kernel's block device: on this machine's kernel where it has the NBD
 * driver, else in guests, several at a time, each with a share of the files.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { basename, join } from 'node:path';
import { repositoryRoot } from '../repository.mjs';
import { tail } from '../run-command.mjs';
import { caseLineParser, withoutCaseLines } from './case-lines.mjs';
import { sumUpGuest } from './guest-cases.mjs';
import { sharesOf } from './guest-shares.mjs';
import { runInGuest } from './guest.mjs';

/** @typedef {import('../vitest-results.mjs').TestCaseRecord} TestCaseRecord */
/** @typedef {import('./case-lines.mjs').CaseLine} CaseLine */
/** @typedef {import('./guest-shares.mjs').Share} Share */

/**
 * @typedef {object} KernelRun
 * @property {import('./guest.mjs').KernelLab} lab
 * @property {NodeJS.ProcessEnv} env of the run; what the tests are told by is passed on
 * @property {string} folder below which each guest has one for its results
 * @property {readonly TestCaseRecord[]} listed the cases that shall run
 * @property {readonly string[]} options for vitest
 * @property {number} limitMs for all of them; what has not begun by then has failed
 */

/** Variables that reach the tests; everything else of ours stays outside. */
const passedOn = ['PATH', 'OXMEM_NAME_PATTERN', 'OXMEM_ALL_MEMORY'];
/** One guest, from power-on to power-off: far above what it needs, for booting and for each file. */
const bootLimitMs = 4 * 60_000;
const fileLimitMs = 6 * 60_000;
const defaultMemory = '2G';
/** A guest takes so much of this machine's memory at most, with what QEMU needs. */
const guestBytes = 3 * 2 ** 30;
const mostGuests = 4;

/** Where consoles and output of the guests are kept. */
const kernelResults = join(repositoryRoot, 'results', 'kernel');

/**
 * Runs the listed cases in guests.
 *
 * @param {KernelRun} run
 * @returns {Promise<TestCaseRecord[]>} each listed case, run or failed; and what else failed
 */
export async function runInGuests(run) {
  const files = [...new Set(run.listed.map(({ file }) => file))];
  const queue = sharesOf(files);
  const startedMs = performance.now();
  /** @type {TestCaseRecord[]} */
  const records = [];
  // One processor each: emulating two on a machine of two is slower than two guests with one.
  const places = Math.min(availableParallelism(), Math.floor(totalmem() / guestBytes), mostGuests);
  const guests = Math.max(1, Math.min(places, queue.length));
  console.log(`${files.length} files, ${guests} guests at a time; see results/kernel/`);
  const work = async () => {
    for (let share = queue.shift(); share !== undefined; share = queue.shift()) {
      const leftMs = run.limitMs - (performance.now() - startedMs);
      const ownMs = bootLimitMs + share.files.length * fileLimitMs;
      const sum = await runShare(share, run, Math.min(leftMs, ownMs));
      records.push(...sum.records);
      queue.unshift(...sum.untouched.map((file) => ({ ...share, files: [file] })));
    }
  };
  await Promise.all(Array.from({ length: guests }, work));
  return records;
}

/**
 * @param {Share} share
 * @param {KernelRun} run
 * @param {number} timeoutMs
 * @returns {Promise<import('./guest-cases.mjs').GuestSum>}
 */
async function runShare(share, { lab, env, folder, listed, options }, timeoutMs) {
  if (timeoutMs < 60_000) {
    const problem = 'the time for all kernel tests was over';
    return sumUpGuest(share.files, listed, { results: [], lines: [], problem });
  }
  const { memory = defaultMemory, processors = 1 } = share;
  const name = share.files.map((file) => basename(file, '.kernel.test.ts')).join('+');
  const shared = mkdtempSync(join(folder, 'guest-'));
  const resultsFile = join(shared, 'results.jsonl');
  const shown = showCases(name);
  const starter = join(repositoryRoot, 'tests', 'kernel', 'run-guest.mjs');
  mkdirSync(kernelResults, { recursive: true });
  const result = await runInGuest([process.execPath, starter, ...options, ...share.files], {
    lab,
    timeoutMs,
    memory,
    processors,
    folder: shared,
    consoleFile: join(kernelResults, `${name}.console.log`),
    env: {
      ...Object.fromEntries(passedOn.map((variable) => [variable, env[variable]])),
      OXMEM_RESULTS_FILE: resultsFile,
      NO_COLOR: '1',
    },
    onOutput: shown.parse,
  });
  shown.stop();
  const { code, bootSeconds, totalSeconds } = result;
  const output = withoutCaseLines(result.output);
  writeFileSync(join(kernelResults, `${name}.log`), output);
  const results = readRecords(resultsFile);
  const isWhole = results.some((line) => 'end' in line);
  const problem = result.problem ?? (isWhole ? undefined : `vitest ended with exit code ${code}`);
  const told = results.filter((line) => 'state' in line);
  const sum = sumUpGuest(share.files, listed, { results: told, lines: shown.lines, problem });
  if ((problem !== undefined || code !== 0) && !sum.records.some(isFailure)) {
    sum.records.push(guestFailure(share, problem ?? `vitest ended with exit code ${code}`));
  }
  const times = `booted in ${bootSeconds.toFixed(0)} s, ${totalSeconds.toFixed(0)} s in all`;
  console.log(`[${name}] Linux ${lab.kernel.release}, ${times}`);
  if (problem !== undefined || sum.records.some(isFailure)) {
    console.error([`[${name}] ${problem ?? ''}`, tail(output, 150)].join('\n'));
  }
  return sum;
}

/**
 * Prints how far a guest is: each case as it ends, and once a minute what it is at.
 *
 * @param {string} name of the guest
 * @returns {{ parse: (text: string) => void, lines: CaseLine[], stop: () => void }}
 */
function showCases(name) {
  /** @type {CaseLine[]} */
  const lines = [];
  const startedMs = performance.now();
  const timer = setInterval(() => {
    const last = lines.at(-1);
    const at = last?.state === 'started' ? last.name : 'between two cases';
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    console.log(`[${name}] … ${at}, after ${seconds} s`);
  }, 60_000);
  const parse = caseLineParser((line) => {
    lines.push(line);
    if (line.state !== 'passed' && line.state !== 'failed') return;
    const seconds = (line.durationMs / 1000).toFixed(1);
    console.log(`[${name}] ${line.state === 'passed' ? '✓' : '✗'} ${line.name}  ${seconds} s`);
  });
  return { parse, lines, stop: () => clearInterval(timer) };
}

/**
 * @param {string} file
 * @returns {import('../vitest-results.mjs').ResultLine[]}
 */
function readRecords(file) {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  // A guest that dies while it writes leaves half a line.
  return lines.filter((line) => line.endsWith('}')).map((line) => JSON.parse(line));
}

/** @param {TestCaseRecord} record */
function isFailure({ state }) {
  return state === 'failed';
}

/**
 * @param {Share} share
 * @param {string} reason
 * @returns {TestCaseRecord}
 */
function guestFailure({ files }, reason) {
  const [file = ''] = files;
  return { project: 'kernel', file, name: '(the guest)', state: 'failed', durationMs: 0, reason };
}
