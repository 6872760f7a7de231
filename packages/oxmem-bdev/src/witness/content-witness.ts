import { crc32 } from 'node:zlib';

/** Bytes of which one sample is taken; samples start at multiples of it. */
export const SAMPLE_BYTES = 512;
/** Samples kept at a time. */
export const SAMPLES = 64;
/**
 * Of them, the first so many stay until they are overwritten, so that in the end they lie where
 * nothing is written; the others make room for newer ones.
 */
const STAYING = 32;

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
 * Remembers what a device holds at a few places, so that an endpoint can prove that it still has the
 * same contents, to this process or, by way of a store, to a successor of it: the protocol has no
 * word for "I was restarted".
 *
 * A sample is what a read brought or an acknowledged write left behind. It is forgotten before a
 * write that touches it is sent; so at any moment every sample is true of a memory that was not lost.
 * Bytes that are all alike say nothing about that and are not taken.
 *
 * Costs a comparison with each sample per write, and a checksum for one transfer in
 * `TRANSFERS_PER_SAMPLE`, more often while there are few samples.
 */
export class ContentWitness {
  readonly #offsets = new Float64Array(SAMPLES).fill(NOWHERE);
  readonly #checksums = new Uint32Array(SAMPLES);
  #store: SampleStore | undefined = undefined;
  /** Samples that there are. */
  #count = 0;
  #nextSlot = STAYING;
  #taken = 0;
  #untilNext = 1;

  /**
   * Writes down what it remembers from now on.
   *
   * @param store  an empty one
   * @param known  samples that are true now, at most `SAMPLES`
   */
  begin(store: SampleStore, known: readonly Sample[] = []): void {
    const former = this.samples();
    this.#offsets.fill(NOWHERE);
    this.#count = 0;
    this.#nextSlot = STAYING;
    this.#store = store;
    for (const sample of [...former, ...known]) this.#keep(sample);
  }

  /** What is remembered. */
  samples(): Sample[] {
    const samples: Sample[] = [];
    this.#offsets.forEach((offset, slot) => {
      if (offset !== NOWHERE) samples.push({ offset, crc: this.#checksums[slot] as number });
    });
    return samples;
  }

  /** To be called before a write of this range is sent. */
  beforeWrite(offset: number, length: number): void {
    const end = offset + length;
    for (let slot = 0; slot < SAMPLES; slot++) {
      const at = this.#offsets[slot] as number;
      if (at >= end || at + SAMPLE_BYTES <= offset) continue;
      this.#forget(slot);
    }
  }

  /** Whether the transfer that has just gone well is to be given to `see`. */
  isDue(): boolean {
    if (--this.#untilNext > 0) return false;
    // The first ones come quickly, for a device that is hardly used.
    if (this.#taken < SAMPLES) this.#untilNext = 1;
    else this.#untilNext = this.#count < FEW_SAMPLES ? OFTEN : TRANSFERS_PER_SAMPLE;
    return true;
  }

  /**
   * Takes a sample of a transfer, or some if there are few. No write that is under way may touch the
   * range of the transfer.
   */
  see({ offset, length, bytes, start }: Transfer): void {
    const first = Math.ceil(offset / SAMPLE_BYTES);
    const places = Math.floor((offset + length) / SAMPLE_BYTES) - first;
    const wanted = Math.min(this.#count < FEW_SAMPLES ? SAMPLES_AT_ONCE : 1, places);
    const stride = Math.floor(places / wanted);
    const begin = this.#taken;
    for (let i = 0; i < wanted; i++) {
      const at = (first + ((begin + i * stride) % places)) * SAMPLE_BYTES;
      const from = start + at - offset;
      if (isUniform(bytes, from) || this.#offsets.includes(at)) continue;
      this.#taken++;
      this.#keep({ offset: at, crc: crc32(bytes.subarray(from, from + SAMPLE_BYTES)) });
    }
  }

  #keep(sample: Sample): void {
    const slot = this.#slotForNext();
    if (this.#offsets[slot] === NOWHERE) this.#count++;
    this.#offsets[slot] = sample.offset;
    this.#checksums[slot] = sample.crc;
    this.#store?.put(slot, sample);
  }

  /** One that stays, if one of those is free; else the next of those that take turns. */
  #slotForNext(): number {
    const free = this.#offsets.indexOf(NOWHERE);
    if (free >= 0 && free < STAYING) return free;
    const slot = this.#nextSlot;
    this.#nextSlot = slot + 1 < SAMPLES ? slot + 1 : STAYING;
    return slot;
  }

  #forget(slot: number): void {
    this.#offsets[slot] = NOWHERE;
    this.#count--;
    this.#store?.clear(slot);
  }
}

/**
 * Whether all bytes of a sample are alike, as those of a memory that was never written or just
 * cleared.
 */
function isUniform(bytes: Uint8Array, from: number): boolean {
  const first = bytes[from];
  for (let i = from + 1; i < from + SAMPLE_BYTES; i++) if (bytes[i] !== first) return false;
  return true;
}

/** No range reaches there. */
const NOWHERE = Infinity;
const TRANSFERS_PER_SAMPLE = 256;
/** With fewer samples than this, one transfer in `OFTEN` is looked at, at several places. */
const FEW_SAMPLES = 16;
const SAMPLES_AT_ONCE = 4;
const OFTEN = 4;
