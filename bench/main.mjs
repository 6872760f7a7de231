/**
 * The benchmark itself; scripts/bench.mjs starts it in a network namespace of its own. Prints the
 * table to standard output, progress to standard error.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { openVethLab } from '../scripts/netns.mjs';
import { createProgress } from '../scripts/progress.mjs';
import { repositoryRoot } from '../scripts/repository.mjs';
import { printFailure } from '../scripts/setup-error.mjs';
import { describeMachine, loadAverage } from './machine.mjs';
import { parseOptions, USAGE } from './options.mjs';
import { makePlan } from './plan.mjs';
import { buildRawCeiling, measureCeiling } from './raw-ceiling.mjs';
import { formatReport, summariseCeiling } from './report.mjs';
import { Session } from './session.mjs';

/** @typedef {import('./options.mjs').BenchOptions} BenchOptions */
/** @typedef {import('./plan.mjs').Block} Block */
/** @typedef {import('./report.mjs').BlockReport} BlockReport */

const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

/** What must be undone at the end, last first, also when a signal ends it early. */
const undo = /** @type {(() => unknown)[]} */ ([]);
const progress = createProgress();

async function main() {
  const parsed = parseOptions(process.argv.slice(2));
  if (!('options' in parsed)) {
    console.error('problem' in parsed ? `bench: ${parsed.problem}\n\n${USAGE}` : parsed.print);
    return EXIT_USAGE;
  }
  const { options } = parsed;
  const blocks = makePlan(options);
  if (blocks.length === 0) {
    console.error(`bench: --rows: no row has "${options.rows.join('" or "')}" in its name`);
    return EXIT_USAGE;
  }
  const startedAt = new Date().toISOString();
  const machine = describeMachine();
  const before = loadAverage();
  await buildRawCeiling();
  const folder = mkdtempSync(join(tmpdir(), 'oxmem-bench-'));
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  const reports = [];
  for (const block of blocks) reports.push(await runBlock(block, options, folder));
  const load = { before, after: loadAverage() };
  const report = { startedAt, machine, loadAverage: load, options, blocks: reports };
  process.stdout.write(`\n${formatReport(report)}`);
  writeResults(report);
  return 0;
}

/**
 * Ceiling, rows, ceiling, on a wire of its own.
 *
 * @param {Block} block
 * @param {BenchOptions} options
 * @param {string} folder
 * @returns {Promise<BlockReport>}
 */
async function runBlock(block, options, folder) {
  const lab = await openVethLab({ mtuBytes: block.setting.mtuBytes });
  undo.push(() => lab.close());
  const before = await measureCeilings(block, options, lab);
  const results = await runRows(block, { lab, folder, bench: options });
  const after = await measureCeilings(block, options, lab);
  await lab.close();
  const ceiling = before.length === 0 ? undefined : summariseCeiling(before, after);
  const rows = block.rows.map((row, index) => {
    const result = /** @type {import('./load-run.mjs').LoadResult} */ (results[index]);
    const ratio = ceiling && result.megabytesPerSecond / ceiling.payloadMegabytesPerSecond;
    return { ...row, setting: block.setting, result, ratio };
  });
  return { name: block.name, ceiling, rows };
}

/**
 * @param {Block} block
 * @param {BenchOptions} options
 * @param {import('../scripts/netns.mjs').VethLab} lab
 */
async function measureCeilings(block, options, lab) {
  /** @type {import('./raw-ceiling.mjs').Ceiling[]} */
  const ceilings = [];
  if (block.path === 'memory') return ceilings;
  const { frameBytes, mtuBytes } = block.setting;
  await progress.step(`ceiling, frames of ${frameBytes} B at MTU ${mtuBytes}`, async () => {
    for (let run = 0; run < options.ceilingRuns; run++) {
      ceilings.push(await measureCeiling(lab, frameBytes, options.ceilingSeconds));
    }
  });
  return ceilings;
}

/**
 * @param {Block} block
 * @param {import('./session.mjs').SessionOptions} options
 */
async function runRows(block, options) {
  const session = new Session(block, options);
  undo.push(() => session.stop());
  await progress.step(`${block.name}: starting, filling the memory`, () => session.start());
  const results = [];
  for (const { name, workload } of block.rows) {
    results.push(await progress.step(name, () => session.runRow(workload)));
  }
  await session.finish();
  return results;
}

/** @param {import('./report.mjs').Report} report */
function writeResults(report) {
  const { json, smoke } = report.options;
  if (json === undefined && smoke) return;
  const time = report.startedAt.slice(0, 19).replaceAll(':', '');
  const file = resolve(json ?? join(repositoryRoot, 'results', `bench-${time}.json`));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(report, undefined, 2)}\n`);
  process.stdout.write(`\nresults: ${file}\n`);
}

async function undoAll() {
  for (let step = undo.pop(); step !== undefined; step = undo.pop()) {
    try {
      await step();
    } catch (error) {
      printFailure(error);
    }
  }
}

/** @type {Promise<void> | undefined} */
let stopping;

/** Ends early but in good order. */
function stopEarly() {
  stopping ??= undoAll();
  // A row may have gone on meanwhile and begun something.
  void stopping.then(undoAll).then(() => process.exit(EXIT_INTERRUPTED));
}

process.once('SIGINT', stopEarly);
process.once('SIGTERM', stopEarly);
// Whoever started us holds the other end: when it dies, we do not stay behind.
process.stdin.once('close', stopEarly).resume();
let exitCode = 1;
try {
  exitCode = await main();
} catch (error) {
  // Who stops early takes the programs away under the running row.
  if (stopping === undefined) printFailure(error);
}
// While stopping, what is being undone must not be cut off; what was begun meanwhile is undone too.
await stopping;
await undoAll();
process.exit(stopping === undefined ? exitCode : EXIT_INTERRUPTED);
