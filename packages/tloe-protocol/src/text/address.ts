import type { RemoteAddress } from '../remote-address.ts';

/**
 * Reads an address: hexadecimal digits in either case, with or without `0x`, up to 64 bits.
 *
 * @returns undefined for anything else
 */
export function parseAddress(text: string): RemoteAddress | undefined {
  const digits = ADDRESS.exec(text)?.[1];
  if (digits === undefined) return undefined;
  return {
    high: parseInt(digits.slice(0, -8) || '0', 16),
    low: parseInt(digits.slice(-8), 16),
  };
}

/** Writes an address with `0x`, in lower case, without leading zeros: `0x8000000000000000`. */
export function formatAddress(address: RemoteAddress): string {
  if (address.high === 0) return `0x${address.low.toString(16)}`;
  return `0x${address.high.toString(16)}${address.low.toString(16).padStart(8, '0')}`;
}

const ADDRESS = /^(?:0x)?0*([0-9a-f]{1,16})$/i;
