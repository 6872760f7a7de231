import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describePlan } from './describe-plan.ts';
import type { SimulationPlan } from './plan.ts';
import { failureOf } from './run-twice.ts';
import { shrink } from './shrink.ts';

const root = join(import.meta.dirname, '..', '..');

/** A run that broke an invariant. */
export interface Failure {
  /** The seed, or where the plan came from. */
  readonly name: string;
  readonly plan: SimulationPlan;
  readonly thrown: unknown;
  /** Whether it is small already. */
  readonly isShrunk: boolean;
}

/** Shrinking stops after so many runs, or so many milliseconds. */
const SHRINK_RUNS = 600;
const SHRINK_MILLIS = 60_000;

/** Says what broke, makes the plan smaller, keeps it, and says how to see it again. */
export async function reportFailure({ name, plan, thrown, isShrunk }: Failure): Promise<void> {
  const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  console.error(`sim: ${name}: ${text}`);
  console.error(`  seed ${plan.seed} at commit ${commit()}`);
  if (isShrunk) return;
  const until = performance.now() + SHRINK_MILLIS;
  const budget = { runs: SHRINK_RUNS, isOver: () => performance.now() > until };
  const shrunk = await shrink(plan, failureOf, budget);
  const file = keep(shrunk.plan);
  const lines = describePlan(shrunk.plan).map((line) => `    ${line}`);
  console.error([`  shrunk by ${shrunk.runs} runs to:`, ...lines].join('\n'));
  console.error(`  the whole run:    pnpm sim --seed ${plan.seed} --trace`);
  console.error(`  the shrunk plan:  pnpm sim --plan ${file} --trace`);
}

/** Writes the plan where it can be run again; returns the path as one would type it. */
function keep(plan: SimulationPlan): string {
  const folder = join(root, 'results', 'sim');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `seed-${plan.seed}.json`);
  writeFileSync(file, `${JSON.stringify(plan, undefined, 2)}\n`);
  return relative(root, file);
}

function commit(): string {
  try {
    return git('describe', '--always', '--dirty', '--exclude=*');
  } catch {
    return 'unknown';
  }
}

function git(...args: readonly string[]): string {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' }).trim();
}
