import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import type { SimulationPlan } from './plan.ts';
import { runTwice } from './run-twice.ts';
import { planOf } from './seed-to-plan.ts';

/**
 * What has failed once. Seeds stand in `seeds.json` with a word about what they found. As the plan of
 * a seed changes whenever `seed-to-plan.ts` does, a failure that was one of the code under test also
 * leaves its shrunk plan here, in a file that is named after what went wrong.
 */
const folder = join(import.meta.dirname, 'regressions');
const read = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'));
const seeds = read('seeds.json') as { seed: number; found: string }[];
const plans = readdirSync(folder).filter((name) => name !== 'seeds.json');

describe('regressions', () => {
  it.each(seeds)('seed $seed: $found', async ({ seed }) => {
    await runTwice(planOf(seed));
  });

  it.runIf(plans.length > 0).each(plans)('%s', async (name) => {
    await runTwice(read(name) as SimulationPlan);
  });
});
