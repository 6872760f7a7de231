import { describe, expect, it } from 'vitest';
import type { SimulationPlan } from './plan.ts';
import { planOf } from './seed-to-plan.ts';
import { shrink } from './shrink.ts';

/** A plan with three drivers and several happenings. */
const big: SimulationPlan = planOf(
  firstSeed(({ drivers, happenings }) => drivers.length === 3 && happenings.length > 2),
);

function firstSeed(isWanted: (plan: SimulationPlan) => boolean): number {
  for (let seed = 1; ; seed++) if (isWanted(planOf(seed))) return seed;
}

const writes = ({ drivers }: SimulationPlan): number =>
  drivers
    .flatMap(({ clients }) => clients.flatMap(({ operations }) => operations))
    .filter(({ kind }) => kind === 'write').length;

describe('shrinking', () => {
  it('leaves what the failure needs, and nothing else', async () => {
    const failureOf = async (plan: SimulationPlan) =>
      writes(plan) >= 2 ? 'two writes' : undefined;
    const { plan } = await shrink(big, failureOf, { runs: 1000 });
    expect(plan.drivers).toHaveLength(1);
    expect(plan.happenings).toEqual([]);
    const operations = plan.drivers[0]!.clients.flatMap((client) => client.operations);
    expect(operations.map(({ kind }) => kind)).toEqual(['write', 'write']);
    expect(plan.drivers[0]!.faults.loss).toBe(0);
    expect(plan.drivers[0]!.faults.script).toEqual([]);
  });

  it('gives the same plan for the same plan', async () => {
    const failureOf = async (plan: SimulationPlan) => (writes(plan) >= 3 ? 'writes' : undefined);
    const once = await shrink(big, failureOf, { runs: 100 });
    expect(await shrink(big, failureOf, { runs: 100 })).toEqual(once);
    expect(once.runs).toBeLessThanOrEqual(100);
  });

  it('does not exchange one failure for another', async () => {
    const failureOf = async (plan: SimulationPlan) =>
      plan.happenings.length > 0 ? 'something happens' : 'nothing happens';
    const { plan } = await shrink(big, failureOf, { runs: 1000 });
    expect(plan.happenings).toHaveLength(1);
  });

  it('stops when its time is over', async () => {
    const failureOf = async () => 'always';
    const { runs } = await shrink(big, failureOf, { runs: 1000, isOver: () => true });
    expect(runs).toBe(0);
  });
});
