import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { reportFailure } from './failure-report.ts';
import type { SimOptions } from './options.ts';
import { runPlan } from './run-plan.ts';
import { runTwice } from './run-twice.ts';
import { planOf } from './seed-to-plan.ts';
import { runRange, type RangeResult, type SeedRange } from './swarm-worker.ts';

type SwarmOptions = SimOptions & { kind: 'swarm' };

/** Seeds that a worker gets at a time. */
const RANGE = 20;
/** How often the progress line is shown on a terminal, and how often elsewhere. */
const TERMINAL_MILLIS = 1_000;
const PLAIN_MILLIS = 10_000;

/** Runs seeds in several processes. @returns the exit code */
export async function runSwarm(options: SwarmOptions): Promise<number> {
  const swarm = new Swarm(options);
  const failedSeed = await swarm.run();
  console.log(swarm.summary());
  if (failedSeed === undefined) return 0;
  const plan = planOf(failedSeed);
  const thrown = await whyItFails(failedSeed);
  const isShrunk = !options.shrinks;
  await reportFailure({ name: `seed ${failedSeed}`, plan, thrown, isShrunk });
  return 1;
}

async function whyItFails(seed: number): Promise<unknown> {
  try {
    await runPlan(planOf(seed));
    await runTwice(planOf(seed));
    return new Error('it failed in a worker and does not fail here');
  } catch (thrown) {
    return thrown;
  }
}

/** The processes, and what they have done. */
class Swarm {
  readonly #options: SwarmOptions;
  readonly #startedMillis = performance.now();
  #nextSeed: number;
  #failedSeed: number | undefined = undefined;
  readonly #sums = { runs: 0, operations: 0, failed: 0, frames: 0, virtualSeconds: 0 };

  constructor(options: SwarmOptions) {
    this.#options = options;
    this.#nextSeed = options.firstSeed;
  }

  /** Runs to the end. @returns the lowest seed that failed */
  async run(): Promise<number | undefined> {
    const stopProgress = this.#showProgress();
    const { workers } = this.#options;
    const work =
      workers === 1 ? [this.#runHere()] : Array.from({ length: workers }, () => this.#runWorker());
    await Promise.all(work).finally(stopProgress);
    return this.#failedSeed;
  }

  /** One sentence. */
  summary(): string {
    const { firstSeed } = this.#options;
    const verdict = this.#failedSeed === undefined ? 'every invariant held' : 'an invariant broke';
    return `sim: ${verdict} in ${this.#counts()}; seeds from ${firstSeed} on.`;
  }

  #counts(): string {
    const { runs, operations, failed, frames, virtualSeconds } = this.#sums;
    const seconds = this.#seconds();
    return (
      `${runs} runs (${operations} operations, ${failed} with an error, ${frames} frames, ` +
      `${(virtualSeconds / 3600).toFixed(1)} h of virtual time) in ${seconds.toFixed(1)} s`
    );
  }

  #seconds(): number {
    return (performance.now() - this.#startedMillis) / 1000;
  }

  /** One worker needs no process of its own. */
  async #runHere(): Promise<void> {
    for (let range = this.#nextRange(); range !== undefined; range = this.#nextRange()) {
      this.#take(await runRange(range));
    }
  }

  #runWorker(): Promise<void> {
    const child = fork(join(import.meta.dirname, 'main.ts'), ['--worker']);
    return new Promise((resolve, reject) => {
      child.on('message', (message: RangeResult | 'ready') => {
        if (message !== 'ready') this.#take(message);
        this.#feed(child);
      });
      child.on('error', reject);
      child.on('exit', (code) => {
        if (code === 0) resolve();
        else reject(new Error(`a worker ended with exit code ${code}`));
      });
    });
  }

  #feed(child: ChildProcess): void {
    const range = this.#nextRange();
    if (range === undefined) child.disconnect();
    else child.send(range);
  }

  #nextRange(): SeedRange | undefined {
    const { firstSeed, runs, minutes } = this.#options;
    const left = firstSeed + runs - this.#nextSeed;
    const isOver = this.#seconds() > minutes * 60 || this.#failedSeed !== undefined;
    if (left <= 0 || isOver) return undefined;
    const range = { first: this.#nextSeed, count: Math.min(RANGE, left) };
    this.#nextSeed += range.count;
    return range;
  }

  #take(result: RangeResult): void {
    const sums = this.#sums;
    sums.runs += result.runs;
    sums.operations += result.operations;
    sums.failed += result.failedOperations;
    sums.frames += result.frames;
    sums.virtualSeconds += result.virtualSeconds;
    const { failedSeed } = result;
    if (failedSeed === undefined) return;
    this.#failedSeed = Math.min(failedSeed, this.#failedSeed ?? Infinity);
  }

  #showProgress(): () => void {
    const { stdout } = process;
    const isTerminal = stdout.isTTY === true;
    const timer = setInterval(
      () => {
        const line = `sim: ${this.#counts()}`;
        stdout.write(isTerminal ? `\r\x1b[K${line}` : `${line}\n`);
      },
      isTerminal ? TERMINAL_MILLIS : PLAIN_MILLIS,
    );
    return () => {
      clearInterval(timer);
      if (isTerminal) stdout.write('\r\x1b[K');
    };
  }
}
