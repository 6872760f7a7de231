import { SECOND } from '@oxmem/tloe-protocol';
import { Prng, directionFaults } from '@oxmem/tloe-protocol/testing';
import { describe, expect, it } from 'vitest';
import { runPlan } from './run-plan.ts';
import { samplePlan } from './sample-plans.ts';
import { CORRUPTIBLE_BITS } from './seed-to-plan.ts';

/** Runs with these bits of frames inverted by chance, and nothing else. */
async function corrupted(kind: 'harmless' | 'acknowledgements' | 'any', seed: number) {
  const faults = directionFaults({ corrupt: 0.03, corruptBits: CORRUPTIBLE_BITS[kind] });
  const plan = samplePlan(seed, {
    wire: [faults, faults],
    faultsEndAt: SECOND,
    mustSucceed: kind === 'harmless',
  });
  return runPlan({ ...plan, corruption: kind });
}

describe('inverted bits that the frame check does not catch', () => {
  it('in addresses, virtual channel, reserved bits and the ack bit are as good as a loss', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      expect((await corrupted('harmless', seed)).failed).toBe(0);
    }
  });

  it('in acknowledgements and credits let operations fail, and never change a byte', async () => {
    // That no byte is wrong is what the run itself checks.
    for (let seed = 1; seed <= 20; seed++) {
      expect((await corrupted('acknowledgements', seed)).done).toBeGreaterThanOrEqual(40);
    }
  });

  it('anywhere leave every operation answered and nothing behind', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      expect((await corrupted('any', seed)).done).toBeGreaterThanOrEqual(40);
    }
  });

  it('are drawn from the whole header where they must be harmless', () => {
    const bits = CORRUPTIBLE_BITS.harmless ?? [];
    expect(new Set(bits).size).toBe(bits.length);
    expect(bits.filter((bit) => bit < 112)).toHaveLength(112);
    expect(new Prng(1).pick(bits)).toBeDefined();
  });
});
