/**
 * The benchmark itself; scripts/bench.mjs starts it in a network namespace of its own. Prints the
 * table to standard output, progress to standard error.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProgress } from '../scripts/progress.mjs';
import { printFailure } from '../scripts/setup-error.mjs';
import { describeMachine, loadAverage } from './machine.mjs';
import { measureRow } from './measure-row.mjs';
import { buildNativePrograms } from './native-programs.mjs';
import { parseOptions, USAGE } from './options.mjs';
import { makePlan } from './plan.mjs';
import { makeProcessPlan } from './process-rows.mjs';
import { formatReport } from './report.mjs';
import { keepResults } from './results.mjs';
import { Scene } from './scene.mjs';

/** @typedef {import('./options.mjs').BenchOptions} BenchOptions */
/** @typedef {import('./plan.mjs').Row} Row */

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
  const rows = makePlan(options);
  const processRows = makeProcessPlan(options);
  if (rows.length + processRows.length === 0) {
    console.error(`bench: --rows: no row has "${options.rows.join('" or "')}" in its name`);
    return EXIT_USAGE;
  }
  if (options.isList) {
    for (const { name } of [...rows, ...processRows]) console.log(name);
    return 0;
  }
  const startedAt = new Date().toISOString();
  const machine = describeMachine();
  const before = loadAverage();
  await buildNativePrograms();
  const folder = mkdtempSync(join(tmpdir(), 'oxmem-bench-'));
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  const results = await runRows(rows, { folder, bench: options });
  for (const { name, measure } of processRows) {
    results.push(
      await progress.step(name, () => measure({ folder, bench: options, onStart: undoStop })),
    );
  }
  const load = { before, after: loadAverage() };
  const report = { startedAt, machine, loadAverage: load, options, rows: results };
  process.stdout.write(`\n${formatReport(report)}`);
  for (const line of keepResults(report)) process.stdout.write(`${line}\n`);
  return 0;
}

/**
 * Rows that use the same scenes stand together, so that each is started once.
 *
 * @param {readonly Row[]} rows
 * @param {ConstructorParameters<typeof Scene>[1]} options
 */
async function runRows(rows, options) {
  /** @type {Map<string, Scene>} */
  const running = new Map();
  const results = [];
  for (const [index, row] of rows.entries()) {
    const rest = new Set(rows.slice(index).flatMap(scenesOf));
    for (const [key, scene] of running) {
      if (rest.has(key)) continue;
      running.delete(key);
      await scene.finish();
    }
    const sceneOf = async (/** @type {import('./scene.mjs').SceneSpec} */ spec) => {
      const key = JSON.stringify(spec);
      const found = running.get(key);
      if (found !== undefined) return found;
      const scene = new Scene(spec, options);
      undoStop(scene);
      await scene.start();
      running.set(key, scene);
      return scene;
    };
    results.push(await progress.step(row.name, () => measureRow(row, options.bench, sceneOf)));
  }
  for (const scene of running.values()) await scene.finish();
  return results;
}

/** @param {Scene} scene */
function undoStop(scene) {
  undo.push(() => scene.stop());
}

/** @param {Row} row */
function scenesOf({ scene, reference }) {
  const specs = reference?.kind === 'scene' ? [scene, reference.scene] : [scene];
  return specs.map((spec) => JSON.stringify(spec));
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
