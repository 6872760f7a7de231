import {
  Channel,
  FrameType,
  HALF_SEQUENCE_SPACE,
  messageFlits,
  sequenceDistance,
  type MessageFields,
} from '@oxmem/tloe-protocol';
import { ConversationStats } from './conversation-stats.ts';
import type { DecodedFrame, DecodedMessage, FrameHeader, Mark } from './decoded-frame.ts';
import { Direction, type NumberPlace } from './direction.ts';
import type { FrameReading } from './frame-reading.ts';
import { messageViolations } from './message-rules.ts';
import { RequestBook, type MessagePlace } from './request-book.ts';
import type { Violation } from './violation.ts';

/** Who sent a frame, and when. */
export interface FramePlace extends MessagePlace {
  readonly seconds: number;
  readonly nanos: number;
  readonly lengthBytes: number;
  readonly source: string;
  readonly destination: string;
}

/** What a frame has shown, while it is being looked at. */
interface Findings {
  readonly marks: Mark[];
  readonly violations: Violation[];
  readonly messages: DecodedMessage[];
  missing: number;
}

/**
 * Everything that two stations say to each other on one virtual channel, in the order of the capture.
 * Its memory is bounded whatever comes.
 */
export class Conversation {
  /** From 1. */
  readonly number: number;
  readonly vc: number;
  readonly stats: ConversationStats;
  readonly book: RequestBook = new RequestBook();
  /** The one that opened the connection or asked first, as far as is known. */
  initiator: string;
  readonly #ends: readonly [string, string];
  readonly #directions = [new Direction(), new Direction()] as const;
  /** The beginning was seen: credits and requests are known from the first on. */
  #isWhole = false;
  #isInitiatorKnown = false;
  #isClosing = false;

  /** @param first  the place of the first frame */
  constructor(number: number, vc: number, first: FramePlace) {
    this.number = number;
    this.vc = vc;
    this.initiator = first.source;
    this.#ends = [first.source, first.destination];
    this.stats = new ConversationStats();
  }

  /** The other one. */
  get endpoint(): string {
    return this.initiator === this.#ends[0] ? this.#ends[1] : this.#ends[0];
  }

  /** Puts a frame into its place. */
  enter(reading: FrameReading, place: FramePlace): DecodedFrame {
    const { header } = reading;
    const found: Findings = {
      marks: reading.isCut ? ['cut'] : [],
      violations: reading.violations,
      messages: [],
      missing: 0,
    };
    if (header !== undefined) this.#enterHeader(header, reading, place, found);
    const frame: DecodedFrame = {
      number: place.frame,
      seconds: place.seconds,
      nanos: place.nanos,
      elapsedNanos: place.elapsedNanos,
      connection: this.number,
      isForward: place.source === this.initiator,
      source: place.source,
      destination: place.destination,
      lengthBytes: place.lengthBytes,
      header,
      ...found,
    };
    this.stats.count(frame);
    return frame;
  }

  // oxlint-disable-next-line max-params -- what a frame says, where it stands, what comes of it
  #enterHeader(
    header: FrameHeader,
    reading: FrameReading,
    place: FramePlace,
    found: Findings,
  ): void {
    const isOpen = header.type === FrameType.open;
    if (isOpen && header.sequenceNumber !== 0) found.violations.push('open-number');
    if (isOpen) this.#enterOpen(place, found);
    if (header.type === FrameType.close) this.#isClosing = true;
    this.#guessInitiator(reading, place);
    const own = this.#directionOf(place.source);
    const other = this.#otherThan(place.source);
    const isAckOnly = header.type === FrameType.ackOnly;
    const number = isAckOnly
      ? this.#enterAckOnly(header, own, found)
      : own.place(header.sequenceNumber);
    if (number.mark !== undefined) found.marks.push(number.mark);
    found.missing = number.missing;
    const isNew = !isRepeated(number);
    if (!isAckOnly && isNew) this.#checkForesight(header.sequenceNumber, own, found);
    this.#enterAck(header, { own, other, isNew: number.mark === undefined }, found);
    if (isNew && header.channel >= 1 && header.channel <= 5 && !isAckOnly) {
      (other.credits[header.channel] as number) += 2 ** header.credit;
    }
    this.#enterMessages(reading, place, { own, other, isNew }, found);
  }

  #enterOpen(place: FramePlace, found: Findings): void {
    const own = this.#directionOf(place.source);
    // One that is resent says the same as before, and nothing else was said since.
    const isOpening = own.messages === 0 && (own.next ?? 0) <= OPENING_FRAMES;
    if (own.next !== undefined && isOpening && this.#isWhole && !this.#isClosing) return;
    if (own.next !== undefined || this.#otherThan(place.source).next !== undefined) {
      found.marks.push('reopened');
    }
    for (const direction of this.#directions) direction.restart();
    this.book.clear();
    this.#isWhole = true;
    this.#isClosing = false;
    this.#isInitiatorKnown = true;
    this.initiator = place.source;
  }

  #guessInitiator({ messages }: FrameReading, { source, destination }: FramePlace): void {
    if (this.#isInitiatorKnown || messages[0] === undefined) return;
    const { channel } = messages[0];
    this.#isInitiatorKnown = true;
    this.initiator = channel === Channel.B || channel === Channel.D ? destination : source;
  }

  #enterAckOnly(header: FrameHeader, own: Direction, found: Findings): NumberPlace {
    if (header.channel !== 0) found.violations.push('ack-only-credit');
    const isNext = own.next === undefined || header.sequenceNumber === own.next;
    if (!isNext && !own.hasHoles) found.violations.push('ack-only-number');
    return { mark: undefined, missing: 0 };
  }

  /** A frame that is sent now should not have been acknowledged before. */
  #checkForesight(number: number, own: Direction, found: Findings): void {
    if (own.foreseen === undefined) return;
    const isForeseen = sequenceDistance(number, own.foreseen) < HALF_SEQUENCE_SPACE;
    if (isForeseen && !found.marks.includes('late')) found.violations.push('acked-unsent');
    own.foreseen = undefined;
  }

  #enterAck(
    { isAck, sequenceNumberAck: ack, type }: FrameHeader,
    { own, other, isNew }: Sides,
    found: Findings,
  ): void {
    if (!isAck && type !== FrameType.open && other.next !== undefined) found.marks.push('nak');
    if (other.next === undefined) return;
    const isBackward =
      own.lastAckSaid !== undefined &&
      ack !== own.lastAckSaid &&
      sequenceDistance(own.lastAckSaid, ack) >= HALF_SEQUENCE_SPACE;
    if (isBackward) {
      if (isNew) found.violations.push('backward-ack');
      return;
    }
    if (sequenceDistance(other.next, ack) < HALF_SEQUENCE_SPACE) {
      found.marks.push('acks-unseen');
      other.foreseen = ack;
      return;
    }
    own.lastAckSaid = ack;
    other.acked = ack;
  }

  // oxlint-disable-next-line max-params -- as above
  #enterMessages(
    { messages }: FrameReading,
    place: FramePlace,
    sides: Sides,
    found: Findings,
  ): void {
    const isComplete = this.#isWhole && !this.#directions.some(({ hasHoles }) => hasHoles);
    for (const fields of messages) {
      found.violations.push(...messageViolations(fields));
      if (!sides.isNew) {
        found.messages.push({ fields, answers: undefined });
        continue;
      }
      sides.own.messages++;
      const entry = this.book.enter(fields, place);
      const canTell = isComplete && !this.book.hasForgotten;
      const isCertain = (each: Violation): boolean => canTell || each !== 'unasked-answer';
      found.violations.push(...entry.violations.filter(isCertain));
      this.stats.countMessage(fields, entry);
      found.messages.push({ fields, answers: entry.answers });
      if (!this.#spend(fields, sides.own) && isComplete) found.violations.push('credit-overrun');
    }
  }

  /** @returns whether the credits cover it */
  #spend({ channel, opcode, sizeLog2 }: MessageFields, own: Direction): boolean {
    const left = (own.credits[channel] as number) - messageFlits(channel, opcode, sizeLog2);
    own.credits[channel] = left;
    return left >= 0;
  }

  #directionOf(source: string): Direction {
    return this.#directions[source === this.#ends[0] ? 0 : 1];
  }

  #otherThan(source: string): Direction {
    return this.#directions[source === this.#ends[0] ? 1 : 0];
  }
}

/** Known initiators open with two to six frames. */
const OPENING_FRAMES = 6;

interface Sides {
  readonly own: Direction;
  readonly other: Direction;
  /** The frame has not been seen before. */
  readonly isNew: boolean;
}

function isRepeated({ mark }: NumberPlace): boolean {
  return mark === 'resent' || mark === 'duplicate';
}
