import { SparseMemory, type UntouchedContent } from './sparse-memory.ts';

/**
 * The byte that a pattern memory holds at `offset` until somebody writes there. All 64 KiB differ
 * from each other everywhere within 2^53, so that data from a wrong place shows at once.
 */
export function patternByte(offset: number): number {
  const low = offset >>> 0;
  const high = Math.floor(offset / 2 ** 32);
  // Neighbouring words must differ in every byte lane, hence the mixing by word and the lane added.
  let word = Math.imul((low >>> 3) ^ Math.imul(high, 0x85ebca6b), 0x9e3779b1);
  word ^= word >>> 15;
  word = Math.imul(word, 0x2c1b3c6d);
  return ((word >>> ((low & 3) * 8)) + (low & 7) * 0x25) & 0xff;
}

/** A memory whose content tells its address: for tests that look for misplaced data. */
export function createPatternMemory(sizeBytes: number): SparseMemory {
  return new SparseMemory(sizeBytes, { untouched: PATTERN });
}

const PATTERN: UntouchedContent = {
  fill: (offset, length, target, targetOffset) => {
    for (let i = 0; i < length; i++) target.bytes[targetOffset + i] = patternByte(offset + i);
  },
};
