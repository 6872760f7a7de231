/**
 * Cuts a byte range into the fewest TileLink accesses: naturally aligned powers of two of at least
 * one 8-byte word. TileLink 1.8.0 §4.6.
 *
 * Accesses below a word are avoided: three conventions exist for where their bytes travel. A range
 * that begins or ends within a word touches a part of that whole word.
 */

/** Bytes of a TileLink data word. */
export const WORD_BYTES = 8;

/** log2 of a data word. */
export const WORD_LOG2 = 3;

/**
 * How many bytes of the range belong to one word only in part: at its beginning, or at its end if
 * less than a word is left. 0 when a whole word comes next.
 *
 * @param addressLow  lower 32 bits of the address of the next byte
 * @param remaining   bytes left, at least 1
 */
export function partialWordBytes(addressLow: number, remaining: number): number {
  const lane = addressLow & (WORD_BYTES - 1);
  if (lane === 0 && remaining >= WORD_BYTES) return 0;
  return Math.min(WORD_BYTES - lane, remaining);
}

/**
 * log2 of the largest access that may come next: it begins at a word boundary, is aligned to its
 * size, lies in the range and is at most 2^maxLog2.
 *
 * @param addressLow  lower 32 bits of the address, a multiple of 8
 * @param remaining   bytes left, at least 8
 * @param maxLog2     3 .. 15
 */
export function nextAccessLog2(addressLow: number, remaining: number, maxLog2: number): number {
  const alignment = addressLow === 0 ? 31 : 31 - Math.clz32(addressLow & -addressLow);
  const fitting = remaining >= 2 ** 31 ? 31 : 31 - Math.clz32(remaining);
  return Math.min(alignment, fitting, maxLog2);
}
