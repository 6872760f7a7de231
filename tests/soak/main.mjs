/**
 * The long run itself; scripts/soak.mjs starts it in a network namespace of its own. Prints the report
 * to standard output, what goes on to standard error.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Prng } from '@oxmem/tloe-protocol/testing';
import { repositoryRoot } from '../../scripts/repository.mjs';
import { printFailure } from '../../scripts/setup-error.mjs';
import { LoadMeter } from './load-meter.mjs';
import { parseOptions } from './options.mjs';
import { mostDepth, planPhases } from './phases.mjs';
import { Recorder } from './recorder.mjs';
import { formatReport, formatSeconds } from './report.mjs';
import { SoakLab } from './soak-lab.mjs';
import { SoakLoad } from './soak-load.mjs';
import { SoakRun } from './soak-run.mjs';

/** @typedef {import('./options.mjs').SoakOptions} SoakOptions */

const stretchBytes = 256 * 1024;
/** Stretches lie apart and across words and blocks, so that all of the memory has its share. */
const spacingBytes = 2 * 2 ** 20 + 4099;
const sizeBytes = 68 * 2 ** 20;
const secondMs = 1000;
/** A long run is sampled more rarely: a sample takes a full collection of the garbage. */
const shortRunSeconds = 600;
const rareSampleMs = 10_000;
/** A second Ctrl-C means it; npm and the terminal may both tell us of the first. */
const sameSignalMs = 1000;

/** @param {SoakOptions} options @returns {Promise<number>} exit code */
async function soak(options) {
  const startedAt = new Date().toISOString();
  const folder = resultsFolder(options, startedAt);
  const lab = await SoakLab.open({ sizeBytes, ...options });
  try {
    await lab.startEndpoint();
    await lab.startDriver();
    return await watchRun(lab, { options, folder, startedAt });
  } finally {
    await lab.close();
  }
}

/**
 * @param {SoakLab} lab
 * @param {{ options: SoakOptions, folder: string, startedAt: string }} context
 */
async function watchRun(lab, { options, folder, startedAt }) {
  const { seed, seconds } = options;
  const meter = new LoadMeter();
  const phases = planPhases(seed, seconds);
  const [first] = phases;
  if (first === undefined) throw new Error('a plan has phases');
  const place = { seed, workers: mostDepth, stretchBytes, spacingBytes };
  const load = new SoakLoad({ slot: lab.slot, meter }, place, first.style);
  const run = new SoakRun({ lab, load, meter, prng: new Prng(seed).fork('events') });
  onInterruption(() => run.interrupt());
  const sampleMs = seconds > shortRunSeconds ? rareSampleMs : secondMs;
  const sources = { lab, load, meter, run };
  const recorder = new Recorder(join(folder, 'samples.jsonl'), sampleMs, sources);
  const startMs = performance.now();
  console.error(`soak: seed ${seed}, ${phases.length} phases, results in ${folder}`);
  const status = showStatus({ run, meter, load, seconds, startMs });
  await run.live(phases, status.phaseDone);
  status.close();
  await recorder.close();
  const logs = run.problems.length > 0 ? lab.logs() : undefined;
  const judged = recorder.judge().toSorted((a, b) => b.growth / b.limit - a.growth / a.limit);
  const problems = [...run.problems, ...judged.filter(isGrowing).map(describeGrowth)];
  const { total } = meter;
  /** @type {import('./report.mjs').Report} */
  const report = {
    verdict: problems.length === 0 ? 'passed' : 'failed',
    wasInterrupted: run.wasInterrupted,
    problems,
    command: commandOf(options),
    startedAt,
    seconds: (performance.now() - startMs) / 1000,
    node: process.version,
    total: total.figures(),
    bytesVerified: load.bytesVerified,
    starts: lab.starts,
    endpointRestarts: run.endpointRestarts,
    longestRecoveryMs: run.longestRecoveryMs,
    phases: Object.fromEntries([...meter.phases].map(([name, tally]) => [name, tally.figures()])),
    growth: judged.filter(({ verdict }) => verdict !== 'too short'),
    livesTooShort: new Set(
      judged.filter(({ verdict }) => verdict === 'too short').map(({ pid }) => pid),
    ).size,
    driverSummaries: run.driverLogs.map((log) => log.trimEnd().split('\n').at(-1) ?? ''),
    logs,
  };
  const text = formatReport(report);
  writeFileSync(join(folder, 'report.json'), `${JSON.stringify(report, undefined, 2)}\n`);
  writeFileSync(join(folder, 'report.txt'), text);
  process.stdout.write(text);
  return problems.length === 0 ? 0 : 1;
}

/** @param {import('./recorder.mjs').JudgedFigure} judged */
const isGrowing = ({ verdict }) => verdict === 'grows';

/** @param {import('./recorder.mjs').JudgedFigure} judged */
function describeGrowth({ program, figure, growth, limit, seconds }) {
  const over = formatSeconds(seconds);
  return `${figure} of the ${program} grew by ${Math.round(growth)} in ${over}; limit ${limit}`;
}

/** @param {SoakOptions} options */
function commandOf({ seed, seconds, driverArgs }) {
  const more = driverArgs.map((arg) => ` --driver-arg=${arg}`).join('');
  return `pnpm soak --minutes=${seconds / 60} --seed=${seed}${more}`;
}

/** @param {SoakOptions} options @param {string} startedAt */
function resultsFolder({ results }, startedAt) {
  const name = `soak-${startedAt.slice(0, 19).replaceAll(':', '')}`;
  const folder = resolve(results ?? join(repositoryRoot, 'results', name));
  mkdirSync(folder, { recursive: true });
  return folder;
}

/**
 * On a terminal one line that changes every second; everywhere a line when a phase is over.
 *
 * @param {{ run: SoakRun, meter: LoadMeter, load: SoakLoad, seconds: number, startMs: number }} what
 */
function showStatus({ run, meter, load, seconds, startMs }) {
  const isTerminal = process.stderr.isTTY === true;
  const elapsed = () => formatSeconds((performance.now() - startMs) / 1000);
  const figures = () => {
    const errors = [...meter.total.errors.values()].reduce((sum, count) => sum + count, 0);
    const megabytes = (load.bytesVerified / 1e6).toFixed(0);
    return `${meter.total.requests} requests, ${errors} failed, ${megabytes} MB compared`;
  };
  const redraw = () => {
    const of = `${elapsed()} of ${formatSeconds(seconds)}`;
    process.stderr.write(`\r\x1b[K  … ${of}  ${run.phase}  ${figures()}`);
  };
  const timer = isTerminal ? setInterval(redraw, secondMs) : undefined;
  return {
    /** @param {import('./phases.mjs').Phase} phase */
    phaseDone: (phase) => {
      const what = [phase.name, ...phase.faults, `depth ${phase.style.depth}`, phase.style.sizes];
      const clear = isTerminal ? '\r\x1b[K' : '';
      process.stderr.write(`${clear}${elapsed()}: ${what.join(' ')}: ${figures()}\n`);
    },
    close: () => clearInterval(timer),
  };
}

/** @param {() => void} interrupt */
function onInterruption(interrupt) {
  let firstMs = NaN;
  const stop = () => {
    if (performance.now() - firstMs > sameSignalMs) process.exit(130);
    if (Number.isNaN(firstMs)) firstMs = performance.now();
    interrupt();
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, stop);
  // Whoever started us holds the other end: when it dies, we do not stay behind.
  process.stdin.once('close', stop).resume();
}

const parsed = parseOptions(process.argv.slice(2));
let exitCode = 2;
if ('options' in parsed) {
  exitCode = await soak(parsed.options).catch((error) => {
    printFailure(error);
    return 1;
  });
}
process.exit(exitCode);
