import { assert } from '../assert.ts';
import { ByteRegion } from '../byte-region.ts';
import { isPowerOfTwo, type Micros } from '../units.ts';
import {
  HALF_SEQUENCE_SPACE,
  SEQUENCE_SPACE,
  sequenceAfter,
  sequenceDistance,
} from './sequence-number.ts';

/** Frames begin here in a slot, so that everything behind the MAC header is 8-byte aligned. */
export const SLOT_LEAD_BYTES = 2;

/**
 * The frames that were numbered and are not yet acknowledged. Its slots ARE the transmit buffers:
 * a frame is built in the slot of its number and stays there until the peer has it.
 *
 * ```
 *   acked   …  cursor  …  next
 *     │ sent     │ to send  │ being built
 * ```
 * Going back to resend is moving the cursor; nothing is queued twice. Where the peer keeps what came
 * early, only some frames right behind `acked` are repaired, and the cursor stays. OmniXtend 1.0.3 §4.
 */
export class RetransmitBuffer {
  readonly region: ByteRegion;
  readonly slotBytes: number;
  readonly capacity: number;
  /** ACKD_SEQ: the last number that the peer has acknowledged. */
  acked = 0;
  /** NEXT_TX_SEQ: the number of the next new frame. */
  next = 0;
  /** The next number to hand to the transport. */
  cursor = 0;
  /** The first number never handed to the transport. */
  unsent = 0;
  /** Numbers to be sent again before anything else: from `repair` on, up to before `repairEnd`. */
  repair = 0;
  repairEnd = 0;
  /** Frames not acknowledged that carry messages or credits: only they need a timer. */
  needing = 0;

  readonly #lengths: Int32Array;
  readonly #sentAt: Float64Array;
  readonly #lastSentAt: Float64Array;
  readonly #transmissions: Uint8Array;
  readonly #needsAck: Uint8Array;

  /** `capacity` is a power of two below half the sequence space; one slot more serves AckOnly. */
  constructor(capacity: number, slotBytes: number, firstNumber: number) {
    assert(isPowerOfTwo(capacity) && capacity < HALF_SEQUENCE_SPACE, 'capacity is a power of two');
    assert(slotBytes % 8 === 0, 'slots keep frames aligned');
    this.capacity = capacity;
    this.slotBytes = slotBytes;
    this.region = ByteRegion.allocate((capacity + 1) * slotBytes);
    this.#lengths = new Int32Array(capacity);
    this.#sentAt = new Float64Array(capacity);
    this.#lastSentAt = new Float64Array(capacity);
    this.#transmissions = new Uint8Array(capacity);
    this.#needsAck = new Uint8Array(capacity);
    this.reset(firstNumber);
  }

  /** Forgets every frame and starts numbering at `firstNumber`. */
  reset(firstNumber: number): void {
    this.acked = sequenceAfter(firstNumber, -1);
    this.next = firstNumber;
    this.cursor = firstNumber;
    this.unsent = firstNumber;
    this.needing = 0;
    this.#dropRepairs();
  }

  /** Nobody waits for what is left: every slot is free, numbering goes on. */
  discard(): void {
    this.acked = sequenceAfter(this.next, -1);
    this.cursor = this.next;
    this.unsent = this.next;
    this.needing = 0;
    this.#dropRepairs();
  }

  /** Byte offset of the frame with `number`; of the AckOnly slot if `number` is -1. */
  frameOffset(number: number): number {
    const slot = number < 0 ? this.capacity : number & (this.capacity - 1);
    return slot * this.slotBytes + SLOT_LEAD_BYTES;
  }

  /** Frames numbered and not acknowledged. */
  outstanding(): number {
    return sequenceDistance(this.acked, this.next) - 1;
  }

  /** Frames handed to the transport at least once and not acknowledged. */
  inFlight(): number {
    return sequenceDistance(this.acked, this.unsent) - 1;
  }

  /** Whether the frame with this number was sent and is not acknowledged. */
  isInFlight(number: number): boolean {
    const ahead = sequenceDistance(this.acked, number);
    return ahead > 0 && ahead <= this.inFlight();
  }

  /** Whether the frame with this number, a recent one, is acknowledged. */
  isAcknowledged(number: number): boolean {
    const ahead = sequenceDistance(this.acked, number);
    return ahead === 0 || ahead > sequenceDistance(this.acked, this.next);
  }

  hasRoom(): boolean {
    return this.outstanding() < this.capacity;
  }

  /** Frames between the cursor and the end. */
  toSend(): number {
    return sequenceDistance(this.cursor, this.next);
  }

  /** The frame in slot `next` is complete and gets its number. */
  seal(lengthBytes: number, needsAck: boolean): void {
    assert(this.hasRoom(), 'the window has room');
    const slot = this.next & (this.capacity - 1);
    this.#lengths[slot] = lengthBytes;
    this.#transmissions[slot] = 0;
    this.#needsAck[slot] = needsAck ? 1 : 0;
    if (needsAck) this.needing++;
    this.next = sequenceAfter(this.next, 1);
  }

  length(number: number): number {
    return this.#lengths[number & (this.capacity - 1)] as number;
  }

  /** How often the frame was handed to the transport, up to 255. */
  transmissions(number: number): number {
    return this.#transmissions[number & (this.capacity - 1)] as number;
  }

  /** When the frame was first handed to the transport. */
  sentAt(number: number): Micros {
    return this.#sentAt[number & (this.capacity - 1)] as number;
  }

  /** When the frame was last handed to the transport. */
  lastSentAt(number: number): Micros {
    return this.#lastSentAt[number & (this.capacity - 1)] as number;
  }

  /** Frames to be sent again before anything else. */
  toRepair(): number {
    return sequenceDistance(this.repair, this.repairEnd);
  }

  /**
   * The first `count` frames that are not acknowledged are to be sent again, as far as the cursor
   * has passed them; returns the last of their numbers.
   */
  queueRepair(count: number): number {
    const first = sequenceAfter(this.acked, 1);
    this.repair = first;
    this.repairEnd = sequenceAfter(first, Math.min(count, sequenceDistance(first, this.cursor)));
    return sequenceAfter(this.repairEnd, -1);
  }

  /** The transport took the next frame to be repaired. */
  advanceRepair(now: Micros): void {
    this.#noteSent(now, this.repair);
    this.repair = sequenceAfter(this.repair, 1);
  }

  /** The transport took the frame at the cursor; returns whether it had been sent before. */
  advance(now: Micros): boolean {
    const wasSent = this.#noteSent(now, this.cursor);
    if (this.cursor === this.unsent) this.unsent = sequenceAfter(this.unsent, 1);
    this.cursor = sequenceAfter(this.cursor, 1);
    return wasSent;
  }

  /**
   * The peer has everything up to `number`. Frees those slots.
   *
   * @returns how many frames were freed; -1: a number that was never sent; -2: an old one
   */
  acknowledge(number: number): number {
    const count = sequenceDistance(this.acked, number);
    if (count === 0) return 0;
    if (count > this.inFlight()) {
      return count > SEQUENCE_SPACE - HALF_SEQUENCE_SPACE ? STALE_ACK : BOGUS_ACK;
    }
    for (let i = 0; i < count; i++) {
      this.acked = sequenceAfter(this.acked, 1);
      if (this.#needsAck[this.acked & (this.capacity - 1)] === 1) this.needing--;
    }
    const first = sequenceAfter(this.acked, 1);
    if (sequenceDistance(first, this.cursor) > this.capacity) this.cursor = first;
    if (sequenceDistance(first, this.repairEnd) > this.capacity) this.#dropRepairs();
    else if (sequenceDistance(first, this.repair) > this.capacity) this.repair = first;
    return count;
  }

  /** Sends everything that is not acknowledged again. */
  rewind(): void {
    this.cursor = sequenceAfter(this.acked, 1);
    this.#dropRepairs();
  }

  /** Returns whether the frame had been sent before. */
  #noteSent(now: Micros, number: number): boolean {
    const slot = number & (this.capacity - 1);
    const count = this.#transmissions[slot] as number;
    if (count === 0) this.#sentAt[slot] = now;
    this.#lastSentAt[slot] = now;
    if (count < 255) this.#transmissions[slot] = count + 1;
    return count > 0;
  }

  #dropRepairs(): void {
    this.repair = sequenceAfter(this.acked, 1);
    this.repairEnd = this.repair;
  }
}

export const BOGUS_ACK = -1;
export const STALE_ACK = -2;
