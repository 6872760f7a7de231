import { MILLISECOND, SECOND } from '@oxmem/tloe-protocol';
import { describe, expect, it } from 'vitest';
import { runPlan } from './run-plan.ts';
import { momentsOf, samplePlan } from './sample-plans.ts';

/** Runs of each kind; one restart in each of the first. */
const RESTART_RUNS = 1000;
const KILL_RUNS = 120;
/** The load of a run takes about so long. */
const LOAD_MICROS = 15 * MILLISECOND;

describe('an endpoint that restarts', () => {
  it(`with an empty memory, ${RESTART_RUNS} times: no byte that was not written, before an error`, async () => {
    let failed = 0;
    for (let seed = 1; seed <= RESTART_RUNS; seed++) {
      const [at = 0] = momentsOf(seed, 1, LOAD_MICROS);
      const forMicros = (1 + (seed % 7) * 30) * MILLISECOND;
      const happenings = [{ kind: 'endpointRestart', at, forMicros, keepsMemory: false }] as const;
      const whenLost = seed % 2 === 0 ? 'wait' : 'fail';
      const driver = { whenLost, requestTimeoutMicros: 200 * MILLISECOND } as const;
      const plan = samplePlan(seed, {
        happenings,
        driver,
        faultsEndAt: 6 * SECOND,
        operations: 30,
      });
      failed += (await runPlan(plan)).failed;
    }
    expect(failed).toBeGreaterThan(RESTART_RUNS);
  }, 300_000);

  it('with the memory that it had goes on to be served, without a wrong byte', async () => {
    let whole = 0;
    for (let seed = 1; seed <= 100; seed++) {
      const [at = 0] = momentsOf(seed, 1, LOAD_MICROS);
      const happenings = [
        { kind: 'endpointRestart', at, forMicros: 50 * MILLISECOND, keepsMemory: true },
      ] as const;
      const driver = { whenLost: 'wait', requestTimeoutMicros: 200 * MILLISECOND } as const;
      const plan = samplePlan(seed, { happenings, driver, faultsEndAt: SECOND });
      if ((await runPlan(plan)).failed === 0) whole++;
    }
    // Not all: a driver that has seen nothing yet has nothing to compare with.
    expect(whole).toBeGreaterThan(60);
  }, 120_000);
});

it(`a driver is killed under load in ${KILL_RUNS} runs: what was acknowledged is there after`, async () => {
  let done = 0;
  for (let seed = 1; seed <= KILL_RUNS; seed++) {
    const happenings = momentsOf(seed, 1 + (seed % 2), LOAD_MICROS).map(
      (at, index) =>
        ({
          kind: 'driverKill',
          // The second one meets the successor.
          at: at + index * 180 * MILLISECOND,
          forMicros: 150 * MILLISECOND,
          driver: 0,
        }) as const,
    );
    const plan = samplePlan(seed, { happenings, faultsEndAt: 3 * SECOND });
    const report = await runPlan(plan);
    expect(report.failed).toBe(0);
    expect(report.profiles).toEqual(['oxmem']);
    done += report.done;
  }
  expect(done).toBeGreaterThan(KILL_RUNS * 30);
}, 120_000);
