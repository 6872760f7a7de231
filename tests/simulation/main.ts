/**
 * `pnpm sim`: the simulation from the command line. Started by scripts/sim.mjs, which lets node run
 * TypeScript.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { describePlan } from './describe-plan.ts';
import { reportFailure } from './failure-report.ts';
import { readOptions, type SimOptions } from './options.ts';
import type { SimulationPlan } from './plan.ts';
import { runPlan } from './run-plan.ts';
import { runTwice } from './run-twice.ts';
import { planOf } from './seed-to-plan.ts';
import { runSwarm } from './swarm.ts';
import { work } from './swarm-worker.ts';

/** @returns the exit code */
async function main(options: SimOptions): Promise<number> {
  switch (options.kind) {
    case 'print':
      process.stdout.write(options.text);
      return 0;
    case 'problem':
      process.stderr.write(`sim: ${options.text}; --help shows how it is used.\n`);
      return 2;
    case 'worker':
      await work();
      return 0;
    case 'replay':
      return replay(options);
    case 'swarm':
      return runSwarm(options);
  }
}

async function replay(options: SimOptions & { kind: 'replay' }): Promise<number> {
  const { seed, planFile, hasTrace } = options;
  const plan =
    planFile === undefined
      ? planOf(seed ?? 0)
      : (JSON.parse(readFileSync(planFile, 'utf8')) as SimulationPlan);
  const name = planFile ?? `seed ${seed}`;
  console.log(describePlan(plan).join('\n'));
  try {
    const report = hasTrace
      ? await runPlan(plan, (line) => console.log(line))
      : await runTwice(plan);
    const { done, failed, frames, micros, hash } = report;
    console.log(
      `sim: ${name}: every invariant held; ${done} operations, ${failed} of them with an error, ` +
        `${frames} frames in ${(micros / 1e6).toFixed(1)} s of virtual time, hash ${hash}.`,
    );
    return 0;
  } catch (thrown) {
    await reportFailure({ name, plan, thrown, isShrunk: planFile !== undefined || hasTrace });
    return 1;
  }
}

process.exitCode = await main(
  readOptions(process.argv.slice(2), { workers: availableParallelism() }),
);
