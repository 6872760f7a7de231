import { assert } from './assert.ts';

/**
 * An address of remote memory, 64 bits as two unsigned 32-bit halves: JavaScript numbers are exact
 * only up to 2^53, and real endpoints serve memory above that. TileLink 1.8.0 §3.
 */
export interface RemoteAddress {
  /** Bits 63..32, 0 .. 2^32 - 1. */
  readonly high: number;
  /** Bits 31..0, 0 .. 2^32 - 1. */
  readonly low: number;
}

/** The first address. */
export const ADDRESS_ZERO: RemoteAddress = { high: 0, low: 0 };

/**
 * The address `offset` bytes further on. To see whether a range of n bytes fits, ask for its last
 * byte (n - 1): the end of a range that reaches the top of the address space has no address.
 *
 * @param offset  0 .. 2^53 - 1
 * @returns undefined when the sum is 2^64 or more
 */
export function addressPlus(address: RemoteAddress, offset: number): RemoteAddress | undefined {
  assert(Number.isSafeInteger(offset) && offset >= 0, 'an offset is a safe integer, not negative');
  const low = address.low + (offset >>> 0);
  const carry = low >= WORD ? 1 : 0;
  const high = address.high + Math.floor(offset / WORD) + carry;
  return high >= WORD ? undefined : { high, low: low - carry * WORD };
}

/** Negative, zero or positive as `a` lies before, at or behind `b`. */
export function compareAddresses(a: RemoteAddress, b: RemoteAddress): number {
  return a.high - b.high || a.low - b.low;
}

const WORD = 2 ** 32;
