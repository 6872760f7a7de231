import { assert } from '../assert.ts';
import type { ByteRegion } from '../byte-region.ts';
import { copyBytes } from '../copy-bytes.ts';
import type { FrameTransport, TransportHandlers } from '../host/frame-transport.ts';
import { MAC_A, MAC_B } from './memory-transport.ts';
import { BATCH_FRAMES, MAC_HEADER_BYTES, ReceiveSlab } from './receive-slab.ts';

/**
 * Calls a task soon, but not from inside this call, and once: for a program `setImmediate`, which
 * lets timers and sockets have their turn; `queueMicrotask` where nothing else is to happen
 * in between.
 */
export type Scheduler = (task: () => void) => void;

/** Two transports in one program, without a wire in between. */
export interface DirectLinkOptions {
  readonly schedule: Scheduler;
  /** Default 1500. */
  readonly mtuBytes?: number;
  /** Frames that may wait at each end, at least 1. Default 256. */
  readonly queueFrames?: number;
  /** Addresses of the two ends, 6 bytes each; default 02:00:00:00:00:0a and …:0b. */
  readonly macA?: Uint8Array;
  readonly macB?: Uint8Array;
}

/** The two ends. */
export interface DirectLink {
  readonly a: FrameTransport;
  readonly b: FrameTransport;
}

/**
 * Joins two transports in memory, in real time: nothing is lost, everything stays in order, and a
 * full queue takes no more. Allocates nothing per frame of whole flits. What it needs of the outside
 * is a scheduler; frames are never delivered inside the sender's call.
 */
export function createDirectLink(options: DirectLinkOptions): DirectLink {
  const a = new DirectTransport(options, options.macA ?? MAC_A);
  const b = new DirectTransport(options, options.macB ?? MAC_B);
  a.join(b);
  b.join(a);
  return { a, b };
}

class DirectTransport implements FrameTransport {
  readonly mtuBytes: number;
  readonly ownMac: Uint8Array;
  readonly receiveRegion: ByteRegion;
  readonly receiveDescriptors: Int32Array;
  readonly #schedule: Scheduler;
  readonly #slab: ReceiveSlab;
  /** Lengths of the frames in the slots, a ring from `#head` on, `#queued` long. */
  readonly #lengths: Int32Array;
  readonly #deliverTask = (): void => this.#deliver();
  readonly #writableTask = (): void => this.#handlers?.onWritable();
  #head = 0;
  #queued = 0;
  #isScheduled = false;
  #isPeerWaiting = false;
  #peer: DirectTransport = this;
  #handlers: TransportHandlers | undefined;
  #isClosed = false;

  constructor(options: DirectLinkOptions, mac: Uint8Array) {
    this.mtuBytes = options.mtuBytes ?? DEFAULT_MTU_BYTES;
    this.ownMac = mac.slice();
    this.#schedule = options.schedule;
    this.#slab = new ReceiveSlab(options.queueFrames ?? DEFAULT_QUEUE_FRAMES, this.mtuBytes);
    this.#lengths = new Int32Array(this.#slab.slots);
    this.receiveRegion = this.#slab.region;
    this.receiveDescriptors = this.#slab.descriptors;
  }

  join(peer: DirectTransport): void {
    this.#peer = peer;
  }

  start(handlers: TransportHandlers): void {
    assert(this.#handlers === undefined, 'a transport is started once');
    if (!this.#isClosed) this.#handlers = handlers;
  }

  sendBatch(region: ByteRegion, descriptors: Int32Array, first: number, count: number): number {
    if (this.#isClosed) return 0;
    const peer = this.#peer;
    return peer.#accept(region, descriptors, first, count);
  }

  close(): void {
    this.#isClosed = true;
    this.#handlers = undefined;
    this.#queued = 0;
    // Nobody reads here any more: what is sent from now on vanishes, and nobody waits for room.
    this.#tellPeerWritable();
  }

  /** Takes frames of the peer while there is room. Without a listener they vanish, as on a wire. */
  #accept(region: ByteRegion, descriptors: Int32Array, first: number, count: number): number {
    if (this.#handlers === undefined) return count;
    const { slots } = this.#slab;
    let taken = 0;
    for (; taken < count && this.#queued < slots; taken++) {
      const length = descriptors[2 * (first + taken) + 1] as number;
      assert(length <= MAC_HEADER_BYTES + this.mtuBytes, 'a frame fits the MTU');
      const slot = (this.#head + this.#queued) % slots;
      const source = descriptors[2 * (first + taken)] as number;
      this.#fillSlot(slot, region, source, length);
      this.#queued += 1;
    }
    if (taken < count) this.#isPeerWaiting = true;
    if (this.#queued > 0 && !this.#isScheduled) this.#scheduleDelivery();
    return taken;
  }

  #fillSlot(slot: number, source: ByteRegion, sourceOffset: number, length: number): void {
    const target = this.receiveRegion;
    const offset = this.#slab.offsetOf(slot);
    // Frames stand at offsets ≡ 2 modulo 8: two bytes of the MAC header alone, then whole words.
    const head = Math.min(2, length);
    for (let i = 0; i < head; i++) {
      target.bytes[offset + i] = source.bytes[sourceOffset + i] as number;
    }
    copyBytes(target, offset + head, source, sourceOffset + head, length - head);
    this.#lengths[slot] = length;
  }

  #scheduleDelivery(): void {
    this.#isScheduled = true;
    this.#schedule(this.#deliverTask);
  }

  #deliver(): void {
    this.#isScheduled = false;
    const count = Math.min(this.#queued, BATCH_FRAMES);
    if (this.#handlers === undefined || count === 0) return;
    for (let i = 0; i < count; i++) {
      const slot = (this.#head + i) % this.#slab.slots;
      this.receiveDescriptors[2 * i] = this.#slab.offsetOf(slot);
      this.receiveDescriptors[2 * i + 1] = this.#lengths[slot] as number;
    }
    this.#handlers.onReceiveBatch(count);
    // Only now may the slots be filled again. A handler that closed this end has emptied the queue.
    if (this.#isClosed) return;
    this.#head = (this.#head + count) % this.#slab.slots;
    this.#queued -= count;
    this.#tellPeerWritable();
    if (this.#queued > 0 && !this.#isScheduled) this.#scheduleDelivery();
  }

  #tellPeerWritable(): void {
    if (!this.#isPeerWaiting) return;
    this.#isPeerWaiting = false;
    const peer = this.#peer;
    this.#schedule(peer.#writableTask);
  }
}

const DEFAULT_MTU_BYTES = 1500;
const DEFAULT_QUEUE_FRAMES = 256;
