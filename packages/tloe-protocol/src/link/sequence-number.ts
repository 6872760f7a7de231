/** Arithmetic on 22-bit frame numbers. OmniXtend 1.0.3 §4. All numbers are 0 .. 2^22 - 1. */

/** How many numbers there are. */
export const SEQUENCE_SPACE: number = 2 ** 22;

/** A frame this many numbers behind the expected one, or less, is a duplicate. */
export const HALF_SEQUENCE_SPACE: number = 2 ** 21;

const MASK = SEQUENCE_SPACE - 1;

/** The acknowledgement that says "nothing received yet". */
export const NOTHING_RECEIVED: number = MASK;

/** The number `steps` after `number`; `steps` may be negative. */
export function sequenceAfter(number: number, steps: number): number {
  return (number + steps) & MASK;
}

/** Steps from `from` forward to `to`, 0 .. 2^22 - 1. */
export function sequenceDistance(from: number, to: number): number {
  return (to - from) & MASK;
}
