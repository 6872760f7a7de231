import { assert } from '../assert.ts';
import type { Micros } from '../units.ts';
import { CHANNEL_TABLE_SIZE } from '../wire/channel.ts';
import { ETHERNET_HEADER_BYTES, writeEthernetHeader } from '../wire/ethernet.ts';
import { FRAME_OVERHEAD_BYTES, FrameWriter, flitsOfMtu } from '../wire/frame-writer.ts';
import { FrameType, packAcknowledgement, packCredit, packHeaderHigh } from '../wire/tloe-header.ts';
import type { AckPolicy } from './ack-policy.ts';
import { CongestionWindow } from './congestion-window.ts';
import { CreditAccount, CreditDebt } from './credits.ts';
import type { LinkConfig } from './link-config.ts';
import type { LinkState } from './link-state.ts';
import type { LinkStats } from './link-stats.ts';
import type { PeerProfile } from './peer-profile.ts';
import type { ReceiveOrder } from './receive-order.ts';
import { BOGUS_ACK, RetransmitBuffer, SLOT_LEAD_BYTES } from './retransmit-buffer.ts';
import { RoundTrip } from './round-trip.ts';
import { Timer, type Timers } from './timers.ts';

/** Offset of the second half of the TLoE header in a frame. */
const HEADER_LOW_OFFSET = ETHERNET_HEADER_BYTES + 4;

/** A full window still has room for a Close. */
const KEPT_SLOTS = 1;

/** After this many time-outs in a row (as a power of two) one frame at a time probes the peer. */
const PROBE_BACKOFF = 4;

/** A peer that says the same so often while frames are out has met a gap. */
const SAME_ACKS_OF_A_GAP = 3;

/** What the sending half shares with the rest of its link. */
export interface LinkParts {
  readonly config: LinkConfig;
  readonly stats: LinkStats;
  readonly timers: Timers;
  readonly order: ReceiveOrder;
  readonly acks: AckPolicy;
}

/**
 * The sending half of a link: builds frames in the slots of the retransmit buffer, spends credits,
 * lets acknowledgements and returned credits ride along, resends.
 */
export class LinkTransmit {
  readonly buffer: RetransmitBuffer;
  readonly account: CreditAccount = new CreditAccount();
  readonly debt: CreditDebt;
  readonly roundTrip: RoundTrip;
  profile: PeerProfile;
  /** The peer's frame of which the messages are being handed on. */
  answeredNumber = 0;

  readonly #parts: LinkParts;
  readonly #writer: FrameWriter;
  #isBuilding = false;
  /** Frames that may be on their way at once; shrinks when some were lost. */
  readonly #congestion: CongestionWindow;
  #wentBackAt: Micros = -Infinity;
  #gatheredNumbered = 0;
  #gatheredAckOnly = false;
  /** Times in a row that the peer has said the same. */
  #sameAcks = 0;
  /** The number that the last AckOnly has shown. */
  #shown = -1;

  constructor(parts: LinkParts) {
    const { config } = parts;
    this.#parts = parts;
    this.profile = config.profile;
    this.debt = new CreditDebt(config.grantExponents);
    this.roundTrip = new RoundTrip(config.retransmit);
    const frameBytes = ETHERNET_HEADER_BYTES + config.mtuBytes + SLOT_LEAD_BYTES;
    const slotBytes = Math.ceil(frameBytes / 64) * 64;
    const first = config.firstSequenceNumber;
    this.buffer = new RetransmitBuffer(config.windowFrames, slotBytes, first);
    this.#writer = new FrameWriter(this.buffer.region, {
      maxFlits: flitsOfMtu(config.mtuBytes),
      maxMessages: 64,
      minimumFlits: config.minimumFlits,
    });
    this.#congestion = new CongestionWindow(config.windowFrames);
    this.#prepareSlots();
  }

  /** Most flits that one message may have on this link, given MTU and peer. */
  get maxMessageFlits(): number {
    return Math.min(this.#writer.maxFlits, flitsOfMtu(this.profile.maxTloeBytes));
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
    if (channel !== 0) this.#creditReturned();
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
    while (this.debt.isUrgent() || (isOverdue && this.debt.largest() !== 0)) {
      if (this.buffer.outstanding() + KEPT_SLOTS >= this.buffer.capacity) break;
      const channel = this.debt.largest();
      this.queueEmptyFrame(FrameType.normal, channel, this.debt.take(channel));
      this.#parts.stats.creditFramesSent++;
      isOverdue = false;
    }
    if (this.debt.largest() === 0) return;
    this.#parts.timers.start(Timer.creditDelay, now + this.#parts.config.creditDelayMicros);
  }

  /**
   * Lists what to send now as (offset, length) pairs: numbered frames from the cursor on, then an
   * AckOnly if an acknowledgement is due and nothing else carries it. Nothing changes until
   * `commit`.
   */
  gather(descriptors: Int32Array, capacity: number): number {
    if (this.#isBuilding) this.seal(FrameType.normal);
    const { buffer } = this;
    const { order, acks } = this.#parts;
    const ack = packAcknowledgement(order.lastInOrder, 1);
    const onTheirWay = buffer.outstanding() - buffer.toSend();
    const count = Math.min(buffer.toSend(), capacity, this.#congestion.room(onTheirWay));
    let number = buffer.cursor;
    for (let i = 0; i < count; i++) {
      const offset = buffer.frameOffset(number);
      if (!this.profile.pinsAcknowledgements) this.#stampAcknowledgement(offset, ack);
      descriptors[2 * i] = offset;
      descriptors[2 * i + 1] = buffer.length(number);
      number = (number + 1) & 0x3fffff;
    }
    this.#gatheredNumbered = count;
    const isLast = count === buffer.toSend() && count < capacity;
    this.#gatheredAckOnly = acks.isDue && (count === 0 || (isLast && acks.isNak));
    if (!this.#gatheredAckOnly) return count;
    this.#writeAckOnly(acks.isNak ? packAcknowledgement(order.lastInOrder, 0) : ack);
    descriptors[2 * count] = buffer.frameOffset(-1);
    descriptors[2 * count + 1] = this.#ackOnlyBytes();
    return count + 1;
  }

  /** The transport took the first `count` of the frames listed by the last `gather`. */
  commit(now: Micros, count: number): void {
    const { stats, timers, acks, config } = this.#parts;
    const numbered = Math.min(count, this.#gatheredNumbered);
    for (let i = 0; i < numbered; i++) if (this.buffer.advance(now)) stats.framesResent++;
    stats.framesSent += count;
    if (numbered > 0) {
      acks.sent(false);
      if (this.buffer.needing > 0) {
        timers.start(Timer.retransmit, now + this.roundTrip.timeoutMicros());
        timers.start(Timer.lost, now + config.lostAfterMicros);
      }
    }
    if (count <= this.#gatheredNumbered || !this.#gatheredAckOnly) return;
    stats.ackOnlySent++;
    this.#shown = this.buffer.next;
    if (acks.isNak) stats.naksSent++;
    acks.sent(true);
  }

  /** An acknowledgement arrived. Returns how many frames it freed. */
  acknowledged(now: Micros, said: number, isNak: boolean): number {
    const { stats } = this.#parts;
    const number = this.profile.acknowledgesUnsent ? this.#believable(said) : said;
    const isSame = number === this.buffer.acked;
    const freed = this.buffer.acknowledge(number);
    if (freed === BOGUS_ACK) stats.bogusAcks++;
    if (freed > 0) this.#progress(now, number, freed);
    if (isNak) {
      stats.naksReceived++;
      if (number === this.buffer.acked) this.#goBack(now);
    } else if (isSame && this.profile.repeatsAcksAtGaps) {
      this.#sameAcks++;
      if (this.#sameAcks >= SAME_ACKS_OF_A_GAP) this.#goBack(now);
    }
    return Math.max(freed, 0);
  }

  /**
   * The retransmission timer ran out: resend, from the third time on one frame at a time, and after
   * `resendPasses` not at all until the peer speaks.
   */
  retransmitTimedOut(now: Micros, state: LinkState): void {
    const { stats, timers, config } = this.#parts;
    if (this.buffer.inFlight() === 0) return;
    stats.retransmitTimeouts++;
    if (state === 'open' && !this.profile.dropsDuplicates) {
      this.buffer.acknowledge((this.buffer.unsent - 1) & 0x3fffff);
      return;
    }
    this.roundTrip.backOff();
    if (this.roundTrip.backoff > 2 ** config.resendPasses) return;
    this.buffer.rewind();
    const isProbing = this.roundTrip.backoff >= PROBE_BACKOFF;
    if (state === 'opening' || this.profile.isMuteOnDuplicates) {
      this.#congestion.reset();
      // Whoever is mute on what it has had says where it is when something new follows.
      if (isProbing && state !== 'closing') this.queueEmptyFrame(FrameType.normal, 0, 0);
    } else this.#congestion.timedOut(isProbing);
    timers.set(Timer.retransmit, now + this.roundTrip.timeoutMicros());
  }

  /** The peer spoke: if resending had stopped, it starts again. */
  peerSpoke(now: Micros): void {
    const { timers, config } = this.#parts;
    if (!this.profile.dropsDuplicates) timers.clear(Timer.lost);
    // Where passes are counted, a peer that speaks gets all of them again.
    if (Number.isFinite(config.resendPasses)) this.roundTrip.progress();
    if (timers.isSet(Timer.retransmit)) return;
    if (this.buffer.needing === 0 || this.buffer.inFlight() === 0) return;
    this.roundTrip.progress();
    timers.set(Timer.retransmit, now + this.roundTrip.timeoutMicros());
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
    this.roundTrip.reset();
    this.#isBuilding = false;
    this.#congestion.reset();
    this.#wentBackAt = -Infinity;
    this.#sameAcks = 0;
    this.#shown = -1;
  }

  /**
   * A peer that takes the number in an AckOnly for received acknowledges it without having the
   * frame: that number counts once the frame was sent twice.
   */
  #believable(number: number): number {
    if (number !== this.#shown) return number;
    const { buffer } = this;
    const isSentTwice = buffer.isInFlight(number) && buffer.transmissions(number) > 1;
    return isSentTwice ? number : (number - 1) & 0x3fffff;
  }

  #fits(flits: number): boolean {
    const writer = this.#writer;
    if (writer.flitCount + flits > this.maxMessageFlits) return false;
    return writer.fits(flits) && writer.messageCount < this.profile.messagesPerFrame;
  }

  #begin(keptSlots: number = KEPT_SLOTS): boolean {
    if (this.buffer.outstanding() + keptSlots >= this.buffer.capacity) return false;
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

  #creditReturned(): void {
    if (this.debt.largest() === 0) this.#parts.timers.clear(Timer.creditDelay);
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
    view.setUint32(at, packHeaderHigh(FrameType.ackOnly, this.buffer.next));
    view.setUint32(at + 4, ack);
  }

  #ackOnlyBytes(): number {
    return FRAME_OVERHEAD_BYTES + this.#parts.config.minimumFlits * 8;
  }

  #progress(now: Micros, number: number, freed: number): void {
    const { timers, config } = this.#parts;
    const { buffer, roundTrip } = this;
    if (buffer.transmissions(number) === 1) roundTrip.sample(now - buffer.sentAt(number));
    roundTrip.progress();
    this.#sameAcks = 0;
    this.#congestion.acknowledged(freed);
    if (buffer.needing > 0 && buffer.inFlight() > 0) {
      timers.set(Timer.retransmit, now + roundTrip.timeoutMicros());
      timers.set(Timer.lost, now + config.lostAfterMicros);
    } else {
      timers.clear(Timer.retransmit);
      timers.clear(Timer.lost);
    }
  }

  /** Resends everything behind the acknowledged number, at most once in a round trip. */
  #goBack(now: Micros): void {
    if (!this.profile.dropsDuplicates || this.buffer.inFlight() === 0) return;
    if (now - this.#wentBackAt < Math.max(this.roundTrip.smoothedMicros, 1)) return;
    this.#wentBackAt = now;
    this.#sameAcks = 0;
    this.#congestion.lost(this.buffer.inFlight());
    this.buffer.rewind();
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
