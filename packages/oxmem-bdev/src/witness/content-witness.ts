import { crc32 } from 'node:zlib';

/** Bytes of which one sample is taken; samples start at multiples of it. */
export const SAMPLE_BYTES = 512;
/** Samples kept at a time. */
export const SAMPLES = 64;

/** What `SAMPLE_BYTES` bytes of a device were when they were last seen. */
export interface Sample {
  /** First byte, counted from the start of the device. */
  readonly offset: number;
  readonly crc: number;
}

/** Where samples outlive the process. A slot is one of `SAMPLES` places. */
export interface SampleStore {
  put(slot: number, sample: Sample): void;
  clear(slot: number): void;
}

/** What the device tells of a transfer that went well. */
export interface Transfer {
  /** First byte, counted from the start of the device. */
  readonly offset: number;
  readonly length: number;
  /** Holds the bytes of the transfer from `start` on. */
  readonly bytes: Uint8Array;
  readonly start: number;
}

/**
 * Remembers what a device holds at a few places, so that a successor of this process can prove that
 * the endpoint still has the same contents: the protocol has no word for "I was restarted".
 *
 * A sample is what a read brought or an acknowledged write left behind. It is forgotten before a
 * write that touches it is sent; so whenever this process dies, every sample in the store is true
 * of a memory that was not lost. Bytes that are all alike say nothing about that and are not taken.
 *
 * Costs a comparison with each sample per write, and a checksum for one transfer in
 * `TRANSFERS_PER_SAMPLE`.
 */
export class ContentWitness {
  readonly #offsets = new Float64Array(SAMPLES).fill(NOWHERE);
  #store: SampleStore | undefined = undefined;
  #nextSlot = 0;
  #taken = 0;
  #untilNext = 1;

  /**
   * Starts to remember.
   *
   * @param store  an empty one
   * @param known  samples that are true now, at most `SAMPLES`
   */
  begin(store: SampleStore, known: readonly Sample[] = []): void {
    this.#offsets.fill(NOWHERE);
    this.#store = store;
    this.#nextSlot = 0;
    for (const sample of known) this.#keep(sample);
  }

  /** To be called before a write of this range is sent. */
  beforeWrite(offset: number, length: number): void {
    const end = offset + length;
    for (let slot = 0; slot < SAMPLES; slot++) {
      const at = this.#offsets[slot] as number;
      if (at >= end || at + SAMPLE_BYTES <= offset) continue;
      this.#offsets[slot] = NOWHERE;
      this.#store?.clear(slot);
    }
  }

  /** Whether the transfer that has just gone well is to be given to `see`. */
  isDue(): boolean {
    if (this.#store === undefined || --this.#untilNext > 0) return false;
    // The first ones come quickly, for a device that is hardly used.
    this.#untilNext = this.#taken < SAMPLES ? 1 : TRANSFERS_PER_SAMPLE;
    return true;
  }

  /** Takes a sample of a transfer, whose range no write that is under way may touch. */
  see({ offset, length, bytes, start }: Transfer): void {
    const first = Math.ceil(offset / SAMPLE_BYTES);
    const places = Math.floor((offset + length) / SAMPLE_BYTES) - first;
    if (places <= 0) return;
    const at = (first + (this.#taken % places)) * SAMPLE_BYTES;
    const from = start + at - offset;
    const content = bytes.subarray(from, from + SAMPLE_BYTES);
    if (isUniform(content)) return;
    this.#taken++;
    this.#keep({ offset: at, crc: crc32(content) });
  }

  #keep(sample: Sample): void {
    const slot = this.#nextSlot;
    this.#nextSlot = (slot + 1) % SAMPLES;
    this.#offsets[slot] = sample.offset;
    this.#store?.put(slot, sample);
  }
}

/** Whether all bytes are alike, as those of a memory that was never written or just cleared. */
export function isUniform(bytes: Uint8Array): boolean {
  const first = bytes[0];
  return bytes.every((byte) => byte === first);
}

/** No range reaches there. */
const NOWHERE = Infinity;
const TRANSFERS_PER_SAMPLE = 256;
