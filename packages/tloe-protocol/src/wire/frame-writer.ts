import { assert } from '../assert.ts';
import type { ByteRegion } from '../byte-region.ts';
import { FLIT_BYTES } from '../units.ts';
import { ETHERNET_HEADER_BYTES } from './ethernet.ts';
import { LAST_START_FLIT } from './frame-view.ts';
import { TLOE_HEADER_BYTES } from './tloe-header.ts';

/**
 * Fewest flits of a frame: the 70-byte frame that every known device sends. The specification's
 * own minimum, 46 bytes of payload in whole words, would be 4.
 */
export const MINIMUM_FLITS = 5;

/** Bytes of a frame around its flits: MAC header, TLoE header and frame mask. */
export const FRAME_OVERHEAD_BYTES: number = ETHERNET_HEADER_BYTES + TLOE_HEADER_BYTES + FLIT_BYTES;

/** How many flits fit into a frame whose payload (after the MAC header) has `mtuBytes`. */
export function flitsOfMtu(mtuBytes: number): number {
  return ((mtuBytes - TLOE_HEADER_BYTES - FLIT_BYTES) / FLIT_BYTES) | 0;
}

/**
 * Builds one frame at a time in a caller's memory: reserves room for messages, then pads and writes
 * the frame mask. MAC header and TLoE header are the caller's business. OmniXtend 1.0.3 §3.
 */
export class FrameWriter {
  readonly region: ByteRegion;
  readonly maxFlits: number;
  readonly maxMessages: number;
  readonly #minimumFlits: number;
  #flitsOffset = 0;
  #frameOffset = 0;
  #flits = 0;
  #messages = 0;
  #maskHigh = 0;
  #maskLow = 0;

  /** Limits: flits a frame may hold, messages a frame may hold (1 .. 64), flits it is padded to. */
  constructor(
    region: ByteRegion,
    limits: { maxFlits: number; maxMessages: number; minimumFlits?: number },
  ) {
    this.region = region;
    this.maxFlits = limits.maxFlits;
    this.maxMessages = limits.maxMessages;
    this.#minimumFlits = limits.minimumFlits ?? MINIMUM_FLITS;
    assert(this.maxFlits >= this.#minimumFlits, 'a frame holds at least its minimum');
  }

  /** Messages reserved since `begin`. */
  get messageCount(): number {
    return this.#messages;
  }

  /** Flits reserved since `begin`. */
  get flitCount(): number {
    return this.#flits;
  }

  /** Starts an empty frame whose MAC header lies at `frameOffset` of the region. */
  begin(frameOffset: number): void {
    this.#frameOffset = frameOffset;
    this.#flitsOffset = frameOffset + ETHERNET_HEADER_BYTES + TLOE_HEADER_BYTES;
    this.#flits = 0;
    this.#messages = 0;
    this.#maskHigh = 0;
    this.#maskLow = 0;
  }

  /** Whether one more message of `flits` flits fits. */
  fits(flits: number): boolean {
    return (
      this.#flits + flits <= this.maxFlits &&
      this.#messages < this.maxMessages &&
      this.#flits <= LAST_START_FLIT
    );
  }

  /**
   * Reserves room for a message of `flits` flits and marks its start.
   *
   * @returns byte offset of its first flit; the caller writes every byte of the message
   */
  reserve(flits: number): number {
    assert(this.fits(flits), 'the message fits');
    const start = this.#flits;
    if (start < 32) this.#maskLow |= 1 << start;
    else this.#maskHigh |= 1 << (start - 32);
    this.#flits += flits;
    this.#messages++;
    return this.#flitsOffset + start * FLIT_BYTES;
  }

  /** Leaves `flits` flits of padding; the memory there must be zero. Before any message. */
  pad(flits: number): void {
    this.#flits += flits;
  }

  /** Pads with zero flits and writes the frame mask; returns the frame's length in bytes. */
  finish(): number {
    const view = this.region.view;
    while (this.#flits < this.#minimumFlits) {
      const at = this.#flitsOffset + this.#flits * FLIT_BYTES;
      view.setUint32(at, 0);
      view.setUint32(at + 4, 0);
      this.#flits++;
    }
    const at = this.#flitsOffset + this.#flits * FLIT_BYTES;
    view.setInt32(at, this.#maskHigh);
    view.setInt32(at + 4, this.#maskLow);
    return at + FLIT_BYTES - this.#frameOffset;
  }
}
