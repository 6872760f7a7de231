import type { Micros } from '../units.ts';
import { Channel } from '../wire/channel.ts';
import { ETHERNET_HEADER_BYTES } from '../wire/ethernet.ts';
import { FrameView, MessageView } from '../wire/frame-view.ts';
import { FrameType } from '../wire/tloe-header.ts';
import { HoldBuffer } from './hold-buffer.ts';
import type { LinkParts } from './link-parts.ts';
import type { LinkTransmit } from './link-transmit.ts';
import type { MessageReceiver } from './message-receiver.ts';
import type { OpeningFrames } from './opening-frames.ts';
import { grantOf } from './peer-recognition.ts';
import { sequenceDistance } from './sequence-number.ts';

/**
 * The receiving half of a link: puts numbered frames in order, judges gaps, takes credits and hands
 * messages on. What acknowledgements and frame types mean is the link's to say.
 */
export class LinkReceive {
  /** When the last frame was accepted. */
  lastInOrderAt: Micros;
  /** Whether the peer has sent messages since it opened. */
  hasHeardMessages = false;
  readonly #parts: LinkParts;
  readonly #transmit: LinkTransmit;
  readonly #receiver: MessageReceiver;
  readonly #opening: OpeningFrames;
  readonly #message = new MessageView();
  readonly #held: HoldBuffer;
  readonly #heldView = new FrameView();
  #gapAt = -1;
  #gapSince: Micros = 0;
  #gapSeenAt: Micros = 0;

  // oxlint-disable-next-line max-params -- the other half, the layer above, and what both share
  constructor(
    parts: LinkParts,
    transmit: LinkTransmit,
    receiver: MessageReceiver,
    opening: OpeningFrames,
  ) {
    this.#parts = parts;
    this.#transmit = transmit;
    this.#receiver = receiver;
    this.#opening = opening;
    this.lastInOrderAt = -Infinity;
    const { windowFrames, mtuBytes } = parts.config;
    this.#held = new HoldBuffer(windowFrames, ETHERNET_HEADER_BYTES + mtuBytes);
  }

  /**
   * An AckOnly shows the sender's next number: one ahead of what we expect proves a loss. Returns
   * whether the peer's Close was accepted, one that had been kept.
   */
  takeAckOnly(now: Micros, view: FrameView, isOpening: boolean): boolean {
    const { stats, order } = this.#parts;
    stats.ackOnlyReceived++;
    if (isOpening) this.#opening.hasAckOnly = true;
    if (order.classify(view.sequenceNumber) !== 'ahead') return false;
    if (this.#parts.profile.gapMicros === 0 && !isOpening) return false;
    if (this.#isForGood(now, isOpening)) return this.#giveUpTo(now, view.sequenceNumber);
    this.#reportGap(now);
    return false;
  }

  /** Remembers a frame of the peer's opening; `place`: its number counted from the first. */
  note(place: number, { channel, credit, messageCount, ack }: FrameView): void {
    this.#opening.note(place, channel, credit, messageCount === 0);
    if (place === 0) this.#opening.firstAck = ack;
  }

  /** Returns whether the peer's Close was accepted. */
  takeNumbered(now: Micros, view: FrameView, isOpening: boolean): boolean {
    const { stats, order, acks } = this.#parts;
    const arrival = order.classify(view.sequenceNumber);
    const isLate = arrival === 'duplicate' && order.takeLate(now, view.sequenceNumber);
    if (arrival === 'duplicate' && !isLate) {
      stats.duplicates++;
      acks.repeat();
      return false;
    }
    if (arrival === 'ahead') {
      stats.outOfOrder++;
      if (!this.#isForGood(now, isOpening)) {
        // Whose first requests these are is not settled before the first of them is accepted.
        if (!isOpening && this.hasHeardMessages) this.#held.keep(view, order.expected);
        this.#reportGap(now);
        return false;
      }
      if (this.#giveUpTo(now, view.sequenceNumber)) return true;
      if (order.classify(view.sequenceNumber) !== 'expected') return false;
    }
    if (!this.#take(now, view, isLate)) return false;
    if (view.frameType === FrameType.close) return true;
    if (!this.hasHeardMessages) this.takeHeld();
    return this.#held.count > 0 && this.#releaseHeld(now);
  }

  /** Opening frames that came too early and are next now. */
  takeHeld(): void {
    const { order, config } = this.#parts;
    for (;;) {
      const place = sequenceDistance(config.firstSequenceNumber, order.expected);
      const credit = this.#opening.emptyAt(place);
      if (credit < 0) return;
      this.#transmit.account.grant(credit >> 5, credit & 31);
      order.accept();
    }
  }

  /** Gives up what is missing of the peer's opening. */
  skipOpeningGaps(now: Micros): void {
    const { order, config } = this.#parts;
    const { lastPlace } = this.#opening;
    for (let place = 0; place <= lastPlace; place++) {
      const isNext = place === sequenceDistance(config.firstSequenceNumber, order.expected);
      if (!isNext || this.#opening.emptyAt(place) >= 0) continue;
      this.#skipTo(now, (order.expected + 1) & 0x3fffff);
      this.takeHeld();
    }
  }

  /** Forgets everything about the peer's frames. */
  reset(now: Micros): void {
    this.#parts.order.reset(this.#parts.config.firstSequenceNumber);
    this.#opening.forgetFrom(0);
    this.#held.clear();
    this.hasHeardMessages = false;
    this.#gapAt = -1;
    this.lastInOrderAt = now;
  }

  /** Whether the present gap will not be filled any more, as far as is known of the peer. */
  #isForGood(now: Micros, isOpening: boolean): boolean {
    const { expected } = this.#parts.order;
    const { gapMicros } = this.#parts.profile;
    // Silence in between is an outage, after which the peer resends.
    const isNew = this.#gapAt !== expected || now - this.#gapSeenAt > gapMicros / 2;
    if (isNew) this.#gapSince = now;
    this.#gapAt = expected;
    this.#gapSeenAt = now;
    return !isOpening && now - this.#gapSince >= gapMicros;
  }

  /** Gives up what is missing before `number`; credits that it must have granted count. */
  #skipTo(now: Micros, number: number): void {
    const { stats, order, config } = this.#parts;
    const from = sequenceDistance(config.firstSequenceNumber, order.expected);
    const skipped = order.skipTo(now, number);
    stats.skipped += skipped;
    const { lostGrants } = this.#parts.profile;
    for (let place = from; place < Math.min(from + skipped, lostGrants.length); place++) {
      const grant = grantOf(lostGrants[place] ?? '');
      if (grant !== undefined) this.#transmit.account.grant(grant.channel, grant.exponent);
    }
  }

  /** Gives up what is missing before `number`, not what is kept; returns whether that was a Close. */
  #giveUpTo(now: Micros, number: number): boolean {
    const { order } = this.#parts;
    for (;;) {
      const next = this.#held.firstKept(order.expected, number);
      if (next !== order.expected) this.#skipTo(now, next);
      if (next === number) return false;
      if (this.#releaseHeld(now)) return true;
      // No room: the rest must wait.
      if (order.expected === next) return false;
    }
  }

  /** Takes what was kept and is next now; returns whether that was the peer's Close. */
  #releaseHeld(now: Micros): boolean {
    const { order } = this.#parts;
    const view = this.#heldView;
    while (this.#held.load(order.expected, view)) {
      if (!this.#take(now, view, false)) return false;
      if (view.frameType === FrameType.close) return true;
    }
    if (this.#held.count > 0) this.#reportGap(now);
    return false;
  }

  /** Accepts a frame whose turn it is, if there is room for what it holds. */
  #take(now: Micros, view: FrameView, isLate: boolean): boolean {
    const { stats, order } = this.#parts;
    if (view.messageCount > 0 && !this.#receiver.hasRoom()) {
      stats.receiverFull++;
      return false;
    }
    if (!isLate) {
      this.#held.release(order.expected);
      order.accept();
    }
    this.#accept(now, view);
    return true;
  }

  #reportGap(now: Micros): void {
    const { acks, order, config } = this.#parts;
    acks.gap(now, order.expected, config.nakRepeatMicros);
  }

  #accept(now: Micros, view: FrameView): void {
    this.lastInOrderAt = now;
    this.#parts.acks.gapFilled();
    this.#parts.acks.accepted(now, this.#parts.profile);
    const { channel, credit } = view;
    if (channel !== 0 && channel <= Channel.E) this.#transmit.account.grant(channel, credit);
    this.#transmit.answeredNumber = view.sequenceNumber;
    this.#deliver(now, view);
    this.#transmit.frameTaken(view.messageCount === 0);
  }

  #deliver(now: Micros, view: FrameView): void {
    const count = view.messageCount;
    if (count > 0) this.hasHeardMessages = true;
    for (let i = 0; i < count; i++) {
      const message = this.#message;
      view.message(i, message);
      this.#parts.stats.messagesReceived++;
      const { channel, flitCount } = message;
      if (this.#receiver.onMessage(now, message)) this.#transmit.debt.add(channel, flitCount);
    }
  }
}
