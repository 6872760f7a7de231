import { ByteRegion } from '../byte-region.ts';

/** Frames of one batch at most. */
export const BATCH_FRAMES = 64;

/** Bytes of the MAC header, in front of what `mtuBytes` counts. */
export const MAC_HEADER_BYTES = 14;

/**
 * Slots for received frames, each with room for a frame of the transport's MTU at an offset ≡ 2
 * modulo 8, and the descriptors of one batch.
 */
export class ReceiveSlab {
  readonly region: ByteRegion;
  readonly descriptors: Int32Array = new Int32Array(2 * BATCH_FRAMES);
  readonly slots: number;
  readonly #slotBytes: number;

  constructor(slots: number, mtuBytes: number) {
    this.slots = slots;
    this.#slotBytes = (FRONT_PAD_BYTES + MAC_HEADER_BYTES + mtuBytes + 7) & ~7;
    this.region = ByteRegion.allocate(slots * this.#slotBytes);
  }

  /** Where the frame in `slot` begins. */
  offsetOf(slot: number): number {
    return slot * this.#slotBytes + FRONT_PAD_BYTES;
  }
}

const FRONT_PAD_BYTES = 2;
