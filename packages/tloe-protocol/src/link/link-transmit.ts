import { assert } from '../assert.ts';
import type { Micros } from '../units.ts';
import { CHANNEL_TABLE_SIZE } from '../wire/channel.ts';
import { ETHERNET_HEADER_BYTES, writeEthernetHeader } from '../wire/ethernet.ts';
import { FRAME_OVERHEAD_BYTES, FrameWriter, flitsOfMtu } from '../wire/frame-writer.ts';
import { FrameType, packAcknowledgement, packCredit, packHeaderHigh } from '../wire/tloe-header.ts';
import { CreditAccount, CreditDebt } from './credits.ts';
import type { LinkParts } from './link-parts.ts';
import { LinkResend } from './link-resend.ts';
import type { LinkState } from './link-state.ts';
import type { PeerProfile } from './peer-profile.ts';
import { RetransmitBuffer, SLOT_LEAD_BYTES } from './retransmit-buffer.ts';
import { sequenceAfter } from './sequence-number.ts';
import { Timer } from './timers.ts';

/** Offset of the second half of the TLoE header in a frame. */
const HEADER_LOW_OFFSET = ETHERNET_HEADER_BYTES + 4;

/** A full window still has room for a Close. */
const KEPT_SLOTS = 1;

/**
 * The sending half of a link: builds frames in the slots of the retransmit buffer, spends credits,
 * lets acknowledgements and returned credits ride along.
 */
export class LinkTransmit {
  readonly buffer: RetransmitBuffer;
  readonly account: CreditAccount = new CreditAccount();
  readonly debt: CreditDebt;
  /** What is sent again, and when. */
  readonly resend: LinkResend;
  /** The peer's frame of which the messages are being handed on. */
  answeredNumber = 0;

  readonly #parts: LinkParts;
  readonly #writer: FrameWriter;
  /** The profile that `#maxMessageFlits` is for. */
  #measured: PeerProfile | undefined = undefined;
  #maxMessageFlits = 0;
  #isBuilding = false;
  #gatheredRepairs = 0;
  #gatheredNumbered = 0;
  #gatheredAckOnly = false;
  /** The number in the AckOnly of the last `gather`. */
  #shownNumber = 0;

  constructor(parts: LinkParts) {
    const { config } = parts;
    this.#parts = parts;
    this.debt = new CreditDebt(config.grantExponents);
    const frameBytes = ETHERNET_HEADER_BYTES + config.mtuBytes + SLOT_LEAD_BYTES;
    const slotBytes = Math.ceil(frameBytes / 64) * 64;
    const first = config.firstSequenceNumber;
    this.buffer = new RetransmitBuffer(config.windowFrames, slotBytes, first);
    this.#writer = new FrameWriter(this.buffer.region, {
      maxFlits: flitsOfMtu(config.mtuBytes),
      maxMessages: 64,
      minimumFlits: config.minimumFlits,
    });
    this.resend = new LinkResend(parts, this.buffer);
    this.#prepareSlots();
  }

  get profile(): PeerProfile {
    return this.#parts.profile;
  }

  /** Most flits that one message may have on this link, given MTU and peer. */
  get maxMessageFlits(): number {
    const { profile } = this.#parts;
    if (profile !== this.#measured) {
      this.#measured = profile;
      this.#maxMessageFlits = Math.min(this.#writer.maxFlits, flitsOfMtu(profile.maxTloeBytes));
    }
    return this.#maxMessageFlits;
  }

  /**
   * Room for a message of `flits` flits on `channel`, in the frame being built or a new one; its
   * credits are spent.
   *
   * @returns byte offset of the message's first flit in the buffer's region, or -1 without credits
   *          or room in the window
   */
  reserve(channel: number, flits: number): number {
    const { profile } = this;
    if (profile.returnsCredits && (this.account.available[channel] as number) < flits) return -1;
    if (this.#isBuilding && !this.#fits(flits)) this.seal(FrameType.normal);
    if (!this.#isBuilding && !this.#begin()) return -1;
    this.account.spend(channel, flits);
    this.#parts.stats.messagesSent++;
    return this.#writer.reserve(flits);
  }

  /** Completes the frame being built, if there is one; it takes a number. */
  seal(frameType: FrameType): void {
    if (!this.#isBuilding) return;
    const channel = this.debt.largest();
    const credit = channel === 0 ? 0 : packCredit(channel, this.debt.take(channel));
    // What is left waits anew: as long as frames leave, each takes its share along.
    if (channel !== 0) this.#parts.timers.clear(Timer.creditDelay);
    this.#finish(frameType, credit);
  }

  /**
   * A frame without messages: an Open, a Close, or one that only grants credits.
   *
   * @returns its number, or -1 if the window is full
   */
  queueEmptyFrame(frameType: FrameType, channel: number, exponent: number): number {
    this.seal(FrameType.normal);
    if (!this.#begin(frameType === FrameType.close ? 0 : KEPT_SLOTS)) return -1;
    const number = this.buffer.next;
    this.#finish(frameType, packCredit(channel, exponent));
    return number;
  }

  /** Five frames that grant the whole receive buffer, channel by channel. */
  queueGrants(firstType: FrameType): void {
    const { grantExponents } = this.#parts.config;
    for (let channel = 1; channel < CHANNEL_TABLE_SIZE; channel++) {
      const frameType = channel === 1 ? firstType : FrameType.normal;
      const number = this.queueEmptyFrame(frameType, channel, grantExponents[channel] as number);
      assert(number >= 0, 'the opening fits into the window');
    }
  }

  /** Credits wait for a frame to ride on; if enough wait, or long enough, they get their own. */
  returnCredits(now: Micros, isOverdue: boolean): void {
    if (this.debt.isUrgent() || isOverdue) this.seal(FrameType.normal);
    while (this.debt.isUrgent() || (isOverdue && this.debt.total > 0)) {
      if (!this.#hasSlot(KEPT_SLOTS)) break;
      const channel = this.debt.largest();
      this.queueEmptyFrame(FrameType.normal, channel, this.debt.take(channel));
      this.#parts.stats.creditFramesSent++;
      isOverdue = false;
    }
    // A full window is no reason to wake up again and again: an acknowledgement leads here as well.
    if (this.debt.total === 0 || !this.#hasSlot(KEPT_SLOTS)) return;
    this.#parts.timers.start(Timer.creditDelay, now + this.#parts.config.creditDelayMicros);
  }

  /**
   * Lists what to send now as (offset, length) pairs: numbered frames from the cursor on, then an
   * AckOnly if an acknowledgement is due and nothing else carries it. Nothing changes until
   * `commit`.
   */
  gather(descriptors: Int32Array, capacity: number): number {
    if (this.#isBuilding) this.seal(FrameType.normal);
    const { buffer, resend } = this;
    const { order, acks } = this.#parts;
    const ack = packAcknowledgement(order.lastInOrder, 1);
    const repairs = Math.min(buffer.toRepair(), capacity);
    const onTheirWay = buffer.outstanding() - buffer.toSend();
    const allowed = Math.min(buffer.toSend(), resend.congestion.room(onTheirWay));
    const count = Math.min(repairs + allowed, capacity);
    let number = repairs > 0 ? buffer.repair : buffer.cursor;
    for (let i = 0; i < count; i++) {
      if (i === repairs) number = buffer.cursor;
      const offset = buffer.frameOffset(number);
      if (!this.profile.pinsAcknowledgements) this.#stampAcknowledgement(offset, ack);
      descriptors[2 * i] = offset;
      descriptors[2 * i + 1] = buffer.length(number);
      number = sequenceAfter(number, 1);
    }
    this.#gatheredRepairs = repairs;
    this.#gatheredNumbered = count;
    const isLast = count === repairs + buffer.toSend() && count < capacity;
    this.#gatheredAckOnly = acks.isDue && (count === 0 || (isLast && acks.isNak));
    if (!this.#gatheredAckOnly) return count;
    // Frames that wait for their turn do not count: a number ahead of them would tell of a loss.
    this.#shownNumber = count === 0 ? buffer.unsent : buffer.next;
    this.#writeAckOnly(acks.isNak ? packAcknowledgement(order.lastInOrder, 0) : ack);
    descriptors[2 * count] = buffer.frameOffset(-1);
    descriptors[2 * count + 1] = this.#ackOnlyBytes();
    return count + 1;
  }

  /** The transport took the first `count` of the frames listed by the last `gather`. */
  commit(now: Micros, count: number): void {
    const { stats, acks } = this.#parts;
    const { buffer } = this;
    const numbered = Math.min(count, this.#gatheredNumbered);
    const repairs = Math.min(numbered, this.#gatheredRepairs);
    for (let i = 0; i < repairs; i++) buffer.advanceRepair(now);
    stats.framesResent += repairs;
    if (repairs > 0 && buffer.toRepair() === 0) this.resend.repaired();
    for (let i = repairs; i < numbered; i++) if (buffer.advance(now)) stats.framesResent++;
    stats.framesSent += count;
    if (numbered > 0) {
      acks.sent(false);
      this.resend.sent(now);
    }
    if (count <= this.#gatheredNumbered || !this.#gatheredAckOnly) return;
    stats.ackOnlySent++;
    this.resend.numberShown(this.#shownNumber);
    if (acks.isNak) stats.naksSent++;
    acks.sent(true);
  }

  /** The retransmission timer ran out. */
  retransmitTimedOut(now: Micros, state: LinkState): void {
    const needsNew = this.resend.timedOut(now, state);
    if (needsNew) this.queueEmptyFrame(FrameType.normal, 0, 0);
  }

  /** A frame of the peer was taken and its messages have been handed on. */
  frameTaken(isEmpty: boolean): void {
    if (!this.profile.pinsAcknowledgements) return;
    // What answers this frame must say so, whatever comes next.
    this.seal(FrameType.normal);
    if (isEmpty) this.queueEmptyFrame(FrameType.normal, 0, 0);
  }

  /** Forgets everything; frame numbers begin anew. */
  reset(): void {
    this.buffer.reset(this.#parts.config.firstSequenceNumber);
    this.account.reset();
    this.debt.reset();
    this.resend.reset();
    this.#isBuilding = false;
  }

  #fits(flits: number): boolean {
    const writer = this.#writer;
    if (writer.flitCount + flits > this.maxMessageFlits) return false;
    return writer.fits(flits) && writer.messageCount < this.profile.messagesPerFrame;
  }

  /** Whether another frame fits into the window and leaves so many places free. */
  #hasSlot(keptSlots: number): boolean {
    return this.buffer.outstanding() + keptSlots < this.buffer.capacity;
  }

  #begin(keptSlots: number = KEPT_SLOTS): boolean {
    if (!this.#hasSlot(keptSlots)) return false;
    this.#writer.begin(this.buffer.frameOffset(this.buffer.next));
    this.#isBuilding = true;
    return true;
  }

  #finish(frameType: FrameType, credit: number): void {
    const { buffer } = this;
    const isPinned = this.profile.pinsAcknowledgements;
    const hasContent = this.#writer.messageCount > 0 || credit !== 0 || frameType !== 0;
    const needsAck = hasContent || isPinned || !this.profile.dropsDuplicates;
    const offset = buffer.frameOffset(buffer.next) + ETHERNET_HEADER_BYTES;
    buffer.region.view.setUint32(offset, packHeaderHigh(frameType, buffer.next));
    const ack = isPinned ? packAcknowledgement(this.answeredNumber, 1) : 0;
    buffer.region.view.setUint32(offset + 4, ack | credit);
    buffer.seal(this.#writer.finish(), needsAck);
    this.#isBuilding = false;
  }

  /** Number, credit and messages of a frame never change; its acknowledgement is always fresh. */
  #stampAcknowledgement(frameOffset: number, ack: number): void {
    const { bytes, view } = this.buffer.region;
    const at = frameOffset + HEADER_LOW_OFFSET;
    view.setUint32(at, ack | (bytes[at + 3] as number));
  }

  #writeAckOnly(ack: number): void {
    const at = this.buffer.frameOffset(-1) + ETHERNET_HEADER_BYTES;
    const { view } = this.buffer.region;
    view.setUint32(at, packHeaderHigh(FrameType.ackOnly, this.#shownNumber));
    view.setUint32(at + 4, ack);
  }

  #ackOnlyBytes(): number {
    return FRAME_OVERHEAD_BYTES + this.#parts.config.minimumFlits * 8;
  }

  #prepareSlots(): void {
    const { config } = this.#parts;
    const header = {
      destination: config.peerMac,
      source: config.ownMac,
      etherType: config.etherType,
    };
    const { bytes } = this.buffer.region;
    for (let slot = -1; slot < config.windowFrames; slot++) {
      writeEthernetHeader(bytes, this.buffer.frameOffset(slot), header);
    }
  }
}
