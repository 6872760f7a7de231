import { addressPlus, assert, type RemoteAddress } from '@oxmem/tloe-protocol';

import type { Options } from '../cli/options.ts';

/** The part of remote memory that one device shows. */
export interface DeviceSlice {
  /** 0 and up. */
  readonly index: number;
  /** First byte, counted from the base address. */
  readonly firstByte: number;
  readonly sizeBytes: number;
  /** First remote address. */
  readonly base: RemoteAddress;
}

/** The name under which clients of an export ask for a slice of `num`. */
export function exportName({ index }: DeviceSlice, num: number): string {
  return num === 1 ? 'oxmem' : `oxmem${index}`;
}

/** Splits the memory evenly over the devices. */
export function deviceSlices(options: Pick<Options, 'base' | 'size' | 'num'>): DeviceSlice[] {
  const sizeBytes = options.size / options.num;
  return Array.from({ length: options.num }, (_, index) => {
    const firstByte = index * sizeBytes;
    const base = addressPlus(options.base, firstByte);
    assert(base !== undefined, 'the options reach to no address beyond the last');
    return { index, firstByte, sizeBytes, base };
  });
}
