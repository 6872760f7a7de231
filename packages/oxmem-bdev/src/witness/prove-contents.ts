import { crc32 } from 'node:zlib';

import { MemoryStatus, readMemory, type CallableMemory } from '@oxmem/tloe-protocol';

import { textOf } from '../device/nbd-errno.ts';
import { SAMPLE_BYTES, type ContentWitness, type Sample } from './content-witness.ts';

/** Whether the endpoint holds what it held before, as far as samples tell. */
export type Proof =
  | { readonly isProven: true }
  /** `reason`: half a sentence. Not answered: it may be proven another time. */
  | { readonly isProven: false; readonly isAnswered: boolean; readonly reason: string };

/**
 * Reads what a device was seen to hold, and compares.
 *
 * @param firstByte  of the device, counted from the base of the memory
 */
export async function proveContents(
  memory: CallableMemory,
  firstByte: number,
  samples: readonly Sample[],
): Promise<Proof> {
  for (const { offset, crc } of samples) {
    const result = await readMemory(memory, firstByte + offset, SAMPLE_BYTES);
    if (result.status !== MemoryStatus.ok) {
      const isAnswered = !UNANSWERED.has(result.status);
      return { isProven: false, isAnswered, reason: `at byte ${offset} ${textOf(result.status)}` };
    }
    if (crc32(result.bytes) !== crc) {
      const reason = `byte ${offset} and those after it are not what they were`;
      return { isProven: false, isAnswered: true, reason };
    }
  }
  if (samples.length > 0) return { isProven: true };
  return { isProven: false, isAnswered: true, reason: 'there is nothing to compare with' };
}

/** A part of the memory, and who remembers what it holds. */
export interface WitnessedPart {
  /** Counted from the base of the memory. */
  readonly firstByte: number;
  readonly witness: Pick<ContentWitness, 'samples'>;
}

/**
 * All that is remembered of one memory. One part of it speaks for the others: what makes an endpoint
 * lose its memory takes all of it.
 */
export class MemoryWitnesses {
  readonly #parts: readonly WitnessedPart[];

  constructor(parts: readonly WitnessedPart[]) {
    this.#parts = parts;
  }

  /** Whether there is anything to compare with. */
  get canTestify(): boolean {
    return this.#parts.some(({ witness }) => witness.samples().length > 0);
  }

  /** Compares all of it. */
  async prove(memory: CallableMemory): Promise<Proof> {
    const samples = this.#parts.flatMap(({ firstByte, witness }) =>
      witness.samples().map(({ offset, crc }) => ({ offset: firstByte + offset, crc })),
    );
    return await proveContents(memory, 0, samples);
  }
}

const UNANSWERED: ReadonlySet<MemoryStatus> = new Set([
  MemoryStatus.timedOut,
  MemoryStatus.lost,
  MemoryStatus.closed,
]);
