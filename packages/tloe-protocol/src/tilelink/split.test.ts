import { describe, expect, it } from 'vitest';

import { WORD_BYTES, nextAccessLog2, partialWordBytes } from './split.ts';

describe('the next access', () => {
  it('is as large as the limit where address and rest allow', () => {
    expect(nextAccessLog2(0, 4096, 10)).toBe(10);
    expect(nextAccessLog2(0x1000, 4096, 12)).toBe(12);
    expect(nextAccessLog2(0, 2 ** 40, 15)).toBe(15);
  });

  it('is no larger than its alignment', () => {
    for (let log2 = 3; log2 <= 15; log2++)
      expect(nextAccessLog2(2 ** log2, 2 ** 20, 15)).toBe(log2);
    expect(nextAccessLog2(0x8000_0000, 2 ** 20, 15)).toBe(15);
    expect(nextAccessLog2(0xffff_fff8, 2 ** 20, 15)).toBe(3);
  });

  it('is no larger than the rest', () => {
    expect(nextAccessLog2(0, 8, 12)).toBe(3);
    expect(nextAccessLog2(0, 1023, 12)).toBe(9);
    expect(nextAccessLog2(0, 1024, 12)).toBe(10);
    expect(nextAccessLog2(0, 2 ** 31 - 1, 15)).toBe(15);
    expect(nextAccessLog2(0, 2 ** 31, 15)).toBe(15);
    expect(nextAccessLog2(0, 2 ** 32 + 8, 15)).toBe(15);
  });
});

describe('a part of a word', () => {
  it('is there where the range begins or ends within one', () => {
    for (let lane = 0; lane < WORD_BYTES; lane++) {
      for (let remaining = 1; remaining <= 24; remaining++) {
        const inWord = Math.min(remaining, WORD_BYTES - lane);
        const expected = inWord === WORD_BYTES ? 0 : inWord;
        expect(partialWordBytes(0xffff_fff0 + lane, remaining)).toBe(expected);
      }
    }
  });
});
