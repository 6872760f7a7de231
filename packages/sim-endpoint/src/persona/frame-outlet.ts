import { FrameSlab } from '@oxmem/rawsock';
import { ETHERNET_HEADER_BYTES, type FrameTransport } from '@oxmem/tloe-protocol';

/** Frames handed to the transport at once. */
const BATCH_FRAMES = 32;

/** Frames that may wait for a full transport; what is beyond is lost, as in any socket. */
const MOST_WAITING = 4096;

/** Collects frames and hands them to a transport in batches. */
export class FrameOutlet {
  readonly #transport: FrameTransport;
  readonly #slab: FrameSlab;
  #waiting: Uint8Array[] = [];

  constructor(transport: FrameTransport) {
    this.#transport = transport;
    this.#slab = new FrameSlab(BATCH_FRAMES, transport.mtuBytes);
  }

  /** The frame leaves with the next `drain`; its bytes are copied now. Too long a one is lost. */
  send(frame: Uint8Array): void {
    const isTooLong = frame.length > ETHERNET_HEADER_BYTES + this.#transport.mtuBytes;
    if (!isTooLong && this.#waiting.length < MOST_WAITING) this.#waiting.push(frame.slice());
  }

  /** Sends what waits, as far as the transport takes it. */
  drain(): void {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, this.#slab.slots);
      batch.forEach((frame, slot) => this.#slab.put(slot, frame));
      const { descriptors } = this.#slab;
      const taken = this.#transport.sendBatch(this.#slab, descriptors, 0, batch.length);
      this.#waiting.splice(0, taken);
      if (taken < batch.length) return;
    }
  }
}
