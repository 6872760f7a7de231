import { expect, it } from 'vitest';

import { NEVER } from '../units.ts';
import {
  NO_FAULTS,
  describeFaultPlan,
  describeFaults,
  directionFaults,
  symmetricFaults,
} from './fault-plan.ts';

it('describes every kind of fault in one line', () => {
  const faults = directionFaults({
    loss: 0.02,
    bursts: { enter: 0.001, leave: 0.25, loss: 1 },
    duplicate: 0.01,
    reorder: 0.05,
    reorderDepthFrames: 3,
    corrupt: 0.005,
    delayMicros: 2_000,
    jitterMicros: 500,
    script: [
      { kind: 'drop', frame: 3 },
      { kind: 'duplicate', frame: 4 },
      { kind: 'delayBehindNext', frame: 5 },
      { kind: 'corrupt', frame: 6, bit: 17 },
      { kind: 'cut', from: 5_000, until: 10_000_000 },
      { kind: 'cut', from: 20_000_000, until: NEVER },
    ],
  });
  expect(describeFaults(faults)).toBe(
    'loss 2%, duplicate 1%, reorder 5% by up to 3 frames within 1ms, corrupt 0.5%, ' +
      'bursts (entered 0.1%, left 25%) of loss 100%, delay 2ms, jitter 500us, drop frame 3, ' +
      'duplicate frame 4, delay frame 5 behind the next, invert bit 17 of frame 6, ' +
      'cut from 5ms until 10s, cut from 20s for good',
  );
});

it('says that there are no faults', () => {
  expect(describeFaults({ ...NO_FAULTS, delayMicros: 0 })).toBe('no faults');
});

it('describes both directions of a plan', () => {
  expect(describeFaultPlan(symmetricFaults({ loss: 0.5 }))).toBe(
    'forward: loss 50%, delay 10us\nbackward: loss 50%, delay 10us',
  );
});
