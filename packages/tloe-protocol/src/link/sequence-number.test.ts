import { describe, expect, it } from 'vitest';

import {
  HALF_SEQUENCE_SPACE,
  NOTHING_RECEIVED,
  SEQUENCE_SPACE,
  sequenceAfter,
  sequenceDistance,
} from './sequence-number.ts';

const LAST = SEQUENCE_SPACE - 1;
/** Numbers and steps around everything where arithmetic could go wrong. */
const EDGES = [
  0,
  1,
  2,
  HALF_SEQUENCE_SPACE - 1,
  HALF_SEQUENCE_SPACE,
  HALF_SEQUENCE_SPACE + 1,
  LAST,
];

describe('frame numbers', () => {
  it('have 22 bits, and "nothing received" is the number before the first', () => {
    expect(SEQUENCE_SPACE).toBe(0x400000);
    expect(NOTHING_RECEIVED).toBe(0x3fffff);
    expect(sequenceAfter(NOTHING_RECEIVED, 1)).toBe(0);
  });

  it('wrap from 0x3FFFFF to 0 and back', () => {
    expect(sequenceAfter(LAST, 1)).toBe(0);
    expect(sequenceAfter(0, -1)).toBe(LAST);
    expect(sequenceDistance(LAST, 0)).toBe(1);
    expect(sequenceDistance(0, LAST)).toBe(LAST);
  });

  it('obey the laws of counting modulo 2^22 at every edge', () => {
    for (const from of EDGES) {
      for (const steps of EDGES) {
        const to = sequenceAfter(from, steps);
        expect(to).toBe((from + steps) % SEQUENCE_SPACE);
        expect(sequenceDistance(from, to)).toBe(steps);
        expect(sequenceAfter(to, -steps)).toBe(from);
        const back = sequenceDistance(to, from);
        expect((back + steps) % SEQUENCE_SPACE).toBe(0);
      }
    }
  });
});
