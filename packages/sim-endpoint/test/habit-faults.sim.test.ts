import { MemoryStatus, SECOND } from '@oxmem/tloe-protocol';
import { VirtualClock } from '@oxmem/tloe-protocol/testing';
import { describe, expect, it } from 'vitest';
import { HABIT_FAULTS, createVirtualEndpoint, type HabitFault } from '../src/index.ts';
import { MatrixRun } from './peer-matrix.ts';
import { VirtualInitiator } from './virtual-initiator.ts';

const HABITS = Object.keys(HABIT_FAULTS) as HabitFault[];

/**
 * Habits with which something may be lost for good that an endpoint which opens like this one does
 * not lose: the driver may report errors, but in time, and no wrong data.
 */
const MAY_FAIL: readonly HabitFault[] = ['never-resends', 'lost-opening', 'silent-opcodes'];

/**
 * Five time-outs of a request's own, and ten before that if its range is still that of a write which
 * was given up and might yet land; and the steps in which all this is looked at.
 */
const PROMISED = 20 * SECOND;

describe.each(HABITS)('a plain endpoint with the habit %s', (habit) => {
  it('works on a quiet wire', async () => {
    const clock = new VirtualClock();
    const options = { sizeBytes: 2 ** 16, faults: [`habit=${habit}`] };
    const endpoint = createVirtualEndpoint(options, clock);
    const initiator = new VirtualInitiator(endpoint, { initiator: { sizeBytes: 2 ** 16 } });
    expect(await initiator.open()).toMatchObject({ isOpen: true });
    const bytes = Uint8Array.from({ length: 5000 }, (_, i) => i * 3);
    expect(await initiator.write(1232, bytes)).toBe(MemoryStatus.ok);
    expect(await initiator.read(1232, 5000)).toEqual(bytes);
    await initiator.close();
  });

  it('gives no wrong byte and no hang on a bad one', async () => {
    const wire = {
      loss: 0.05,
      duplicate: 0.02,
      bursts: undefined,
      reorder: 0,
      reorderDepthFrames: 1,
      reorderHoldMicros: 1000,
      corrupt: 0,
      delayMicros: 10,
      jitterMicros: 100,
      script: [],
    };
    const fault = {
      name: habit,
      wire: () => [wire, wire] as const,
      endpoint: [`habit=${habit}`],
      mayFail: true,
    };
    for (let seed = 1; seed <= 3; seed++) {
      const result = await new MatrixRun(undefined, fault, seed).run();
      expect(result, `seed ${seed}`).toMatchObject({ wrong: [], harm: [] });
      expect(result.longestMicros).toBeLessThanOrEqual(PROMISED);
      if (MAY_FAIL.includes(habit)) continue;
      expect(result, `seed ${seed}`).toMatchObject({ isOpen: true, failed: 0 });
    }
  });
});
