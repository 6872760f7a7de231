import { HABIT_FAULTS, type HabitFault } from '@oxmem/sim-endpoint';
import { SECOND } from '@oxmem/tloe-protocol';
import { Prng, directionFaults } from '@oxmem/tloe-protocol/testing';
import { describe, expect, it } from 'vitest';
import { PEER_FAULTS, type PeerFault } from './peer-faults.ts';
import { runPlan } from './run-plan.ts';
import { samplePlan, type SampleOptions } from './sample-plans.ts';

const SEEDS = [1, 2, 3];
const PEERS = ['oxmem', 'memnode', 'etri', 'wdhw', 'wdhw-103'] as const;

/**
 * Five time-outs of a request's own, and ten before that if its range is still that of a write which
 * was given up and might yet land; and the steps in which all this is looked at.
 */
const PROMISED = 20 * SECOND;

async function cell(options: SampleOptions, fault: PeerFault, seed: number): Promise<void> {
  const sample = fault.sample(new Prng(seed));
  const mustSucceed = !fault.mayFail;
  const plan = samplePlan(seed, { ...sample, ...options, mustSucceed });
  const report = await runPlan(plan);
  if (fault.reorders !== true) expect(report.harm).toEqual([]);
  expect(report.longestMicros).toBeLessThanOrEqual(fault.promisedMicros ?? PROMISED);
}

describe.each(PEERS)('our driver on %s', (peer) => {
  it.each(PEER_FAULTS)('$name: right data or an error, in time', async (fault) => {
    for (const seed of SEEDS) await cell({ peer }, fault, seed);
  });
});

const HABITS = Object.keys(HABIT_FAULTS) as HabitFault[];

/**
 * Habits with which something may be lost for good that an endpoint which opens like this one does
 * not lose: the driver may report errors, but in time, and no wrong data.
 */
const MAY_FAIL: readonly HabitFault[] = ['never-resends', 'lost-opening', 'silent-opcodes'];

const lossy = directionFaults({ loss: 0.05, duplicate: 0.02, jitterMicros: 100 });

describe.each(HABITS)('a plain endpoint with the habit %s', (habit) => {
  it('works on a quiet wire', async () => {
    // Parts of words travel in messages that this one swallows.
    const mayFail = habit === 'silent-opcodes';
    const quiet: PeerFault = { name: 'none', sample: () => ({}), mayFail };
    await cell({ peer: 'plain', habits: [habit] }, quiet, 1);
  });

  it('gives no wrong byte and no hang on a bad one', async () => {
    const mayFail = MAY_FAIL.includes(habit);
    // Who waits for a range behind a write that was swallowed, and behind another such one, waits
    // for both.
    const promisedMicros = habit === 'silent-opcodes' ? 2 * PROMISED : PROMISED;
    const wire = [lossy, lossy] as const;
    const fault: PeerFault = { name: habit, sample: () => ({ wire }), mayFail, promisedMicros };
    for (const seed of SEEDS) await cell({ peer: 'plain', habits: [habit] }, fault, seed);
  });
});
