import { BlockCopier } from '../block-copier.ts';
import { ByteRegion } from '../byte-region.ts';
import type { FrameView } from '../wire/frame-view.ts';
import { sequenceAfter, sequenceDistance } from './sequence-number.ts';

/** Frames lie where all behind the MAC header is 8-byte aligned. */
const LEAD_BYTES = 2;

/** The destination address is not looked at again; what follows it begins at a whole word. */
const UNREAD_BYTES = 6;

/**
 * Frames that came before their turn, kept until what is missing before them has come, so that one
 * lost frame costs one repetition. A ring of slots, one for each number that the peer can use before
 * it must wait: what does not fit is not kept, and the peer sends it again.
 *
 * Copies, because what is received is the transport's. The memory is made when a frame is first
 * kept, and stays: on most wires none ever is.
 */
export class HoldBuffer {
  readonly #capacity: number;
  readonly #slotBytes: number;
  /** Length of the frame in each slot; 0: none. */
  readonly #lengths: Int32Array;
  readonly #copier = new BlockCopier();
  #region: ByteRegion | undefined = undefined;
  /** Frames kept now. */
  count = 0;

  /**
   * @param capacity    frames, a power of two
   * @param frameBytes  the longest frame, MAC header included
   */
  constructor(capacity: number, frameBytes: number) {
    this.#capacity = capacity;
    this.#slotBytes = (LEAD_BYTES + frameBytes + 7) & ~7;
    this.#lengths = new Int32Array(capacity);
  }

  /** Keeps the frame in `view`, ahead of `expected`, unless it is too far ahead or there already. */
  keep(view: FrameView, expected: number): void {
    const ahead = sequenceDistance(expected, view.sequenceNumber);
    const { region, offset, lengthBytes } = view;
    if (ahead >= this.#capacity || LEAD_BYTES + lengthBytes > this.#slotBytes) return;
    const slot = view.sequenceNumber & (this.#capacity - 1);
    if (this.#lengths[slot] !== 0) return;
    this.#region ??= ByteRegion.allocate(this.#capacity * this.#slotBytes);
    const target = slot * this.#slotBytes + LEAD_BYTES;
    const length = lengthBytes - UNREAD_BYTES;
    this.#copier.copy(this.#region, target + UNREAD_BYTES, region, offset + UNREAD_BYTES, length);
    this.#lengths[slot] = lengthBytes;
    this.count++;
  }

  /** Loads the frame with this number into `view`; returns whether there is one. */
  load(number: number, view: FrameView): boolean {
    const slot = number & (this.#capacity - 1);
    const length = this.#lengths[slot] as number;
    if (length === 0 || this.#region === undefined) return false;
    view.load(this.#region, slot * this.#slotBytes + LEAD_BYTES, length);
    return true;
  }

  /** The frame with this number has had its turn, or need not be waited for. */
  release(number: number): void {
    const slot = number & (this.#capacity - 1);
    if (this.#lengths[slot] === 0) return;
    this.#lengths[slot] = 0;
    this.count--;
  }

  /** The first number from `from` on whose frame is kept; `end` if there is none before that. */
  firstKept(from: number, end: number): number {
    const steps = this.count === 0 ? 0 : Math.min(sequenceDistance(from, end), this.#capacity);
    for (let i = 0; i < steps; i++) {
      const number = sequenceAfter(from, i);
      if (this.#lengths[number & (this.#capacity - 1)] !== 0) return number;
    }
    return end;
  }

  clear(): void {
    this.#lengths.fill(0);
    this.count = 0;
  }
}
