import type { Micros } from '../units.ts';
import { Channel } from '../wire/channel.ts';
import { type FrameView, MessageView } from '../wire/frame-view.ts';
import type { LinkParts, LinkTransmit } from './link-transmit.ts';
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
  }

  /** An AckOnly shows the sender's next number: one ahead of what we expect proves a loss. */
  takeAckOnly(now: Micros, view: FrameView, isOpening: boolean): void {
    const { stats, order } = this.#parts;
    stats.ackOnlyReceived++;
    if (isOpening) this.#opening.hasAckOnly = true;
    if (order.classify(view.sequenceNumber) !== 'ahead') return;
    if (this.#transmit.profile.gapMicros === 0 && !isOpening) return;
    if (this.#isForGood(now, isOpening)) this.#skipTo(now, view.sequenceNumber);
    else this.#reportGap(now);
  }

  /** Remembers a frame of the peer's opening; `place`: its number counted from the first. */
  note(place: number, { channel, credit, messageCount, ack }: FrameView): void {
    this.#opening.note(place, channel, credit, messageCount === 0);
    if (place === 0) this.#opening.firstAck = ack;
  }

  /** Returns whether the frame was accepted. */
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
        this.#reportGap(now);
        return false;
      }
      this.#skipTo(now, view.sequenceNumber);
    }
    if (view.messageCount > 0 && !this.#receiver.hasRoom()) {
      stats.receiverFull++;
      return false;
    }
    if (!isLate) order.accept();
    this.#accept(now, view);
    if (!this.hasHeardMessages) this.takeHeld();
    return true;
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
    this.hasHeardMessages = false;
    this.#gapAt = -1;
    this.lastInOrderAt = now;
  }

  /** Whether the present gap will not be filled any more, as far as is known of the peer. */
  #isForGood(now: Micros, isOpening: boolean): boolean {
    const { expected } = this.#parts.order;
    const { gapMicros } = this.#transmit.profile;
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
    const { lostGrants } = this.#transmit.profile;
    for (let place = from; place < Math.min(from + skipped, lostGrants.length); place++) {
      const grant = grantOf(lostGrants[place] ?? '');
      if (grant !== undefined) this.#transmit.account.grant(grant.channel, grant.exponent);
    }
  }

  #reportGap(now: Micros): void {
    const { acks, order, config } = this.#parts;
    acks.gap(now, order.expected, config.nakRepeatMicros);
  }

  #accept(now: Micros, view: FrameView): void {
    this.lastInOrderAt = now;
    this.#parts.acks.accepted(now, this.#transmit.profile);
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
