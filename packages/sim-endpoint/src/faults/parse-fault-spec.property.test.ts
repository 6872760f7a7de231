import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HABIT_FAULT_NAMES } from '../persona/habit-faults.ts';
import {
  DEFAULT_REORDER_DEPTH,
  DEFAULT_STALL_MICROS,
  NO_FRAME_FAULTS,
  type FaultSettings,
  type FrameFaults,
} from './fault-settings.ts';
import { formatFaultSpecs, parseFaultSpec, parseFaultSpecs } from './parse-fault-spec.ts';

const chance = fc.oneof(fc.constant(0), fc.double({ min: 1e-9, max: 1, noNaN: true }));

const frameFaults: fc.Arbitrary<FrameFaults> = fc
  .record({
    loss: chance,
    duplicate: chance,
    reorder: chance,
    depth: fc.integer({ min: 1, max: 64 }),
    corrupt: chance,
    delayMicros: fc.nat(1_000_000),
    halfJitterMicros: fc.nat(1_000_000),
    stall: chance,
    stallMicros: fc.nat(10_000_000),
  })
  .map((drawn) => ({
    wire: {
      ...NO_FRAME_FAULTS.wire,
      loss: drawn.loss,
      duplicate: drawn.duplicate,
      reorder: drawn.reorder,
      reorderDepthFrames: drawn.reorder > 0 ? drawn.depth : DEFAULT_REORDER_DEPTH,
      corrupt: drawn.corrupt,
      delayMicros: drawn.delayMicros,
      jitterMicros: 2 * drawn.halfJitterMicros,
    },
    stall: {
      chance: drawn.stall,
      durationMicros: drawn.stall > 0 ? drawn.stallMicros : DEFAULT_STALL_MICROS,
    },
  }));

const settings: fc.Arbitrary<FaultSettings> = fc.record({
  rx: frameFaults,
  tx: frameFaults,
  denyChance: chance,
  spoilChance: chance,
  habits: fc.uniqueArray(fc.constantFrom(...HABIT_FAULT_NAMES)),
});

describe('fault texts', () => {
  it('are read back as the settings that were written', () => {
    fc.assert(
      fc.property(settings, (written) => {
        expect(parseFaultSpecs(formatFaultSpecs(written))).toEqual({ ok: true, settings: written });
      }),
    );
  });

  it('are read or refused, whatever they are', () => {
    const word = fc.constantFrom('rx:', 'tx:', 'loss', 'delay', 'deny', '=', ',', '/', '±', '1%');
    const text = fc.oneof(
      fc.string(),
      fc.array(word).map((words) => words.join('')),
    );
    fc.assert(
      fc.property(text, (garbage) => {
        const result = parseFaultSpec(garbage);
        if (!result.ok) expect(result.reason.length).toBeGreaterThan(0);
        else expect(parseFaultSpecs(formatFaultSpecs(result.settings))).toEqual(result);
      }),
    );
  });
});
