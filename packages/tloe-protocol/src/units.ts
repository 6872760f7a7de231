/** Monotonic time in microseconds; the origin is arbitrary. A safe integer. */
export type Micros = number;

/** No deadline. */
export const NEVER: Micros = Infinity;

/** Bytes of a flit, the unit of everything that follows the MAC header. OmniXtend 1.0.3 §3. */
export const FLIT_BYTES = 8;

/** Microseconds in a millisecond. */
export const MILLISECOND: Micros = 1_000;

/** Microseconds in a second. */
export const SECOND: Micros = 1_000_000;

/** Whether `value` is 1, 2, 4, … up to 2^30. */
export function isPowerOfTwo(value: number): boolean {
  return value > 0 && value <= 2 ** 30 && (value & (value - 1)) === 0;
}

/** log2 of a power of two up to 2^30. */
export function log2Exact(value: number): number {
  return 31 - Math.clz32(value);
}

/** The largest n with 2^n <= value, for 1 <= value < 2^32. */
export function floorLog2(value: number): number {
  return 31 - Math.clz32(value);
}
