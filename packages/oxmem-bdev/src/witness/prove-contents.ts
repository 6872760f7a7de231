import { crc32 } from 'node:zlib';

import { MemoryStatus, readMemory, type RemoteMemory } from '@oxmem/tloe-protocol';

import { textOf } from '../device/nbd-errno.ts';
import { SAMPLE_BYTES, type Sample } from './content-witness.ts';

/** Whether the endpoint holds what it held before, as far as samples tell. */
export type Proof =
  | { readonly isProven: true }
  /** `reason`: half a sentence. */
  | { readonly isProven: false; readonly reason: string };

/**
 * Reads what a former driver of the device has seen, and compares.
 *
 * @param firstByte  of the device, counted from the base of the memory
 */
export async function proveContents(
  memory: RemoteMemory,
  firstByte: number,
  samples: readonly Sample[],
): Promise<Proof> {
  if (samples.length === 0) {
    return { isProven: false, reason: 'its former driver has left nothing to compare with' };
  }
  for (const { offset, crc } of samples) {
    const result = await readMemory(memory, firstByte + offset, SAMPLE_BYTES);
    if (result.status !== MemoryStatus.ok) {
      return { isProven: false, reason: `at byte ${offset} ${textOf(result.status)}` };
    }
    if (crc32(result.bytes) !== crc) {
      return {
        isProven: false,
        reason: `byte ${offset} and those after it are not what they were`,
      };
    }
  }
  return { isProven: true };
}
