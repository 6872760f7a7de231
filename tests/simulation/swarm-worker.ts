import { runPlan } from './run-plan.ts';
import { runTwice } from './run-twice.ts';
import { planOf } from './seed-to-plan.ts';

/** Seeds for a worker. */
export interface SeedRange {
  readonly first: number;
  readonly count: number;
}

/** What came of a range: sums, and the first seed that failed. */
export interface RangeResult {
  readonly runs: number;
  readonly operations: number;
  readonly failedOperations: number;
  readonly frames: number;
  readonly virtualSeconds: number;
  readonly failedSeed: number | undefined;
}

/** One seed of so many is run twice, for invariant 8. */
const TWICE_EACH = 10;

/** Runs seeds until one fails. */
export async function runRange({ first, count }: SeedRange): Promise<RangeResult> {
  const sums = { operations: 0, failedOperations: 0, frames: 0, virtualSeconds: 0 };
  for (let seed = first; seed < first + count; seed++) {
    try {
      const plan = planOf(seed);
      const report = await (seed % TWICE_EACH === 0 ? runTwice(plan) : runPlan(plan));
      sums.operations += report.done;
      sums.failedOperations += report.failed;
      sums.frames += report.frames;
      sums.virtualSeconds += report.micros / 1e6;
    } catch {
      return { ...sums, runs: seed - first + 1, failedSeed: seed };
    }
  }
  return { ...sums, runs: count, failedSeed: undefined };
}

/** Does what the parent process says, until it hangs up. */
export function work(): Promise<void> {
  return new Promise((resolve) => {
    process.on('disconnect', () => resolve());
    process.on('message', (range: SeedRange) => {
      void runRange(range).then((result) => process.send?.(result));
    });
    process.send?.('ready');
  });
}
