import {
  Channel,
  FrameType,
  HALF_SEQUENCE_SPACE,
  NEVER,
  OpcodeA,
  sequenceAfter,
  sequenceDistance,
  type Micros,
  type ResponderStats,
} from '@oxmem/tloe-protocol';
import type { EndpointHabits } from './endpoint-habits.ts';
import type { HeardFrame, HeardMessage } from './persona-frame.ts';
import { PersonaSender, type SenderPlace } from './persona-sender.ts';
import type { PersonaService } from './persona-service.ts';
import { ReplyQueue } from './reply-queue.ts';

/** What a connection of a foreign endpoint is made of. */
export interface PersonaPlace extends Omit<SenderPlace, 'habits'> {
  readonly habits: EndpointHabits;
  readonly service: PersonaService;
  readonly requests: ResponderStats;
  /** The endpoint ends or blocks, because of what an initiator did. */
  stop(kind: 'ends' | 'blocks', why: string): void;
  /** Something that the real one suffers from without dying of it. */
  suffer(what: string): void;
}

/** One initiator as a foreign endpoint sees it. Sans-IO: time comes in, frames go to `send`. */
export class PersonaConnection {
  isOver = false;
  readonly #place: PersonaPlace;
  readonly #habits: EndpointHabits;
  #sender: PersonaSender;
  #expected = 0;
  /** The number in the last AckOnly, for those who take it for a frame. */
  #counted = -1;
  #isServing = false;
  #isNaking = false;
  #hasAckDue = false;
  #ackAt: Micros = NEVER;
  #creditAt: Micros = NEVER;
  #isCreditDue = false;
  #openingAt: Micros = NEVER;
  /** A number to acknowledge once more, with the next numbered frame. */
  #repeatedAck: number | undefined = undefined;
  #naked = -1;
  readonly #granted = new Set<number>();
  readonly #replies = new ReplyQueue();
  /** Requests that wait for their turn: reads, and writes. */
  #reads: WaitingRequest[] = [];
  #writes: WaitingRequest[] = [];

  constructor(place: PersonaPlace) {
    this.#place = place;
    this.#habits = place.habits;
    this.#sender = new PersonaSender(place);
  }

  /** The first frame of a newcomer, which has been let in. */
  begin(now: Micros, frame: HeardFrame): void {
    const { opening } = this.#habits;
    this.#expected = frame.number === 0 ? 1 : 0;
    this.#grant(frame, opening.awaitsGrantsMicros !== undefined);
    this.#isServing = opening.awaitsGrantsMicros === undefined;
    this.#sendGrants(now, this.#lastInOrder());
    if (opening.awaitsGrantsMicros !== undefined) {
      this.#openingAt = now + opening.awaitsGrantsMicros;
    }
    if (frame.number === 0) this.#execute(now, frame);
    else this.#isNaking = true;
    this.#flush(now);
  }

  /** Any later frame. */
  receive(now: Micros, frame: HeardFrame): void {
    this.#place.stats.framesReceived++;
    const isOpen = frame.type === FrameType.open;
    if (isOpen && frame.number === 0 && this.#habits.admission.repeatedOpen === 'restarts') {
      this.#restart(now, frame);
    } else if (!this.#isServing) this.#takeOpening(frame);
    else if (frame.type === FrameType.ackOnly) this.#takeAckOnly(now, frame);
    else this.#takeNumbered(now, frame);
    if (!this.isOver) this.#flush(now);
  }

  deadline(): Micros {
    const work = Math.min(this.#reads[0]?.at ?? NEVER, this.#writes[0]?.at ?? NEVER);
    const timers = [this.#sender.resendAt, this.#ackAt, this.#creditAt, this.#openingAt, work];
    return Math.min(...timers);
  }

  handleDeadline(now: Micros): void {
    if (this.#sender.resendAt <= now) this.#sender.timedOut(now, this.#lastInOrder());
    if (this.#openingAt <= now) {
      this.#openingAt = now + (this.#habits.opening.awaitsGrantsMicros ?? NEVER);
      this.#sender.next = 0;
      this.#sendGrants(now, this.#lastInOrder());
    }
    if (this.#ackAt <= now) this.#ackAt = NEVER;
    if (this.#creditAt <= now) this.#creditAt = NEVER;
    for (const queue of [this.#reads, this.#writes]) {
      while ((queue[0]?.at ?? NEVER) <= now && !this.isOver) {
        const request = queue.shift() as WaitingRequest;
        this.#serve(request.message, request.number);
      }
    }
    if (!this.isOver) this.#flush(now);
  }

  #restart(now: Micros, frame: HeardFrame): void {
    this.#sender = new PersonaSender(this.#place);
    this.#replies.clear();
    this.#granted.clear();
    this.#reads = [];
    this.#writes = [];
    this.#hasAckDue = false;
    this.#isNaking = false;
    this.#counted = -1;
    this.#repeatedAck = undefined;
    this.begin(now, frame);
  }

  #sendGrants(now: Micros, ackNumber: number): void {
    const { grants, grantExponent, isResent, loses } = this.#habits.opening;
    for (const [place, channel] of grants.entries()) {
      const credit = { channel, exponent: grantExponent };
      if (loses.includes(place)) {
        this.#sender.next = sequenceAfter(this.#sender.next, 1);
        continue;
      }
      const frame = { type: FrameType.normal, ackNumber, ack: 1, credit };
      this.#sender.numbered(now, { ...frame, isFleeting: !isResent });
    }
  }

  /** Before all channels have credits: any frame counts, in any order. */
  #takeOpening(frame: HeardFrame): void {
    this.#grant(frame, true);
    this.#expected = sequenceAfter(frame.number, 1);
    if ([1, 2, 3, 4, 5].some((channel) => !this.#granted.has(channel))) return;
    this.#isServing = true;
    this.#openingAt = NEVER;
    this.#sender.acked = sequenceAfter(this.#sender.next, -1);
    this.#sender.ackOnly(this.#lastInOrder(), 1, true);
  }

  #grant({ channel, credit }: HeardFrame, isSetting: boolean): void {
    if (channel < Channel.A || channel > Channel.E) return;
    if (credit >= MIN_GRANT_EXPONENT) this.#granted.add(channel);
    const { account } = this.#sender;
    account[channel] = (isSetting ? 0 : (account[channel] as number)) + 2 ** credit;
  }

  #takeAckOnly(now: Micros, frame: HeardFrame): void {
    const { takesAcksOf, countsAckOnly } = this.#habits.receive;
    this.#place.stats.ackOnlyReceived++;
    const isNext = frame.number === this.#expected;
    if (takesAcksOf === 'everyFrame' || (takesAcksOf === 'framesInOrder' && isNext)) {
      this.#takeAck(now, frame);
    }
    if (countsAckOnly && isNext) this.#counted = frame.number;
  }

  #takeNumbered(now: Micros, frame: HeardFrame): void {
    const { takesAcksOf } = this.#habits.receive;
    if (takesAcksOf === 'everyFrame') this.#takeAck(now, frame);
    const behind = sequenceDistance(frame.number, this.#expected);
    if (behind === 0) this.#expected = sequenceAfter(this.#expected, 1);
    else if (behind <= HALF_SEQUENCE_SPACE) {
      this.#place.stats.duplicates++;
      if (!this.#takesDuplicate(frame)) return;
    } else {
      this.#place.stats.outOfOrder++;
      if (!this.#takesAhead(frame)) return;
      this.#expected = sequenceAfter(frame.number, 1);
    }
    if (takesAcksOf === 'framesInOrder') this.#takeAck(now, frame);
    this.#isNaking = false;
    if (this.#habits.credits.obeys) this.#grant(frame, false);
    this.#execute(now, frame);
    if (frame.type === FrameType.close) this.#close(now, frame);
    else this.#acknowledge(now, frame);
  }

  /** @returns whether it is executed once more */
  #takesDuplicate(frame: HeardFrame): boolean {
    switch (this.#habits.receive.duplicate) {
      case 'isExecuted':
        return true;
      case 'isAckedByItsNumber':
        this.#repeatedAck = frame.number;
        return false;
      case 'isAcked':
        this.#hasAckDue = true;
        return false;
      case 'isDropped':
        return false;
    }
  }

  #takesAhead(frame: HeardFrame): boolean {
    switch (this.#habits.receive.ahead) {
      case 'isExecuted':
        return true;
      case 'isNaked':
        // One for each gap, and one more for each full round of frames behind it.
        if (this.#naked === this.#expected && (frame.number & 15) !== 0) return false;
        this.#naked = this.#expected;
        this.#sender.ackOnly(this.#lastInOrder(), 0);
        return false;
      case 'repeatsAck':
        this.#repeatedAck = this.#lastInOrder();
        return false;
      case 'naksWithNextFrame':
        this.#isNaking = true;
        return false;
      case 'isDropped':
        return false;
    }
  }

  #takeAck(now: Micros, frame: HeardFrame): void {
    const result = this.#sender.acknowledged(now, frame, this.#lastInOrder());
    if (result === 'fine' || this.#habits.receive.oddAck === 'isIgnored') return;
    this.#sender.loseCopies();
    this.#place.suffer(`acknowledgement of ${frame.ackNumber}: it loses what it had kept`);
  }

  #execute(now: Micros, frame: HeardFrame): void {
    const { unorderedMicros } = this.#habits.service;
    for (const message of frame.messages) {
      const { channel } = message.fields;
      this.#place.stats.messagesReceived++;
      if (!this.#fits(channel, message.flits)) return;
      if (unorderedMicros > 0) this.#postpone(now, message, frame.number);
      else if (!this.#serve(message, frame.number)) return;
    }
  }

  #fits(channel: number, flits: number): boolean {
    const { room } = this.#sender;
    (room[channel] as number) -= flits;
    if (!this.#habits.credits.overrunBlocks || (room[channel] as number) >= 0) return true;
    this.#place.stop('blocks', `a message on channel ${channel} beyond the credits granted`);
    this.isOver = true;
    return false;
  }

  #postpone(now: Micros, message: HeardMessage, number: number): void {
    const isRead = message.fields.opcode === OpcodeA.get;
    const queue = isRead ? this.#reads : this.#writes;
    const wait = this.#place.prng.below(this.#habits.service.unorderedMicros + 1);
    queue.push({ at: Math.max(queue.at(-1)?.at ?? 0, now + wait), message, number });
  }

  /** @returns whether the rest of the frame is looked at */
  #serve(message: HeardMessage, number: number): boolean {
    const { service, requests } = this.#place;
    const { fields, flits } = message;
    if (fields.opcode === OpcodeA.get) requests.gets++;
    else requests.puts++;
    if (this.#habits.credits.returns === 'exact') {
      (this.#sender.debt[fields.channel] as number) += flits;
    }
    const outcome = service.execute(message);
    if (outcome.kind === 'reply') {
      if (outcome.reply.fields.denied) requests.denied++;
      this.#replies.push({ reply: outcome.reply, number, leak: leakOf(message) });
    } else if (outcome.kind === 'ends' || outcome.kind === 'blocks') {
      this.isOver = true;
      this.#place.stop(outcome.kind, outcome.why);
    }
    return outcome.kind === 'reply' || outcome.kind === 'silence';
  }

  /** What a frame gets that was taken, beside answers to its messages. */
  #acknowledge(now: Micros, frame: HeardFrame): void {
    const { acks, opening } = this.#habits;
    const isEmpty = frame.messages.length === 0;
    if (acks.numberOf === 'request') {
      if (!isEmpty) return;
      const credit = { channel: Channel.A, exponent: opening.grantExponent };
      const type = FrameType.normal;
      this.#sender.numbered(now, { type, ackNumber: frame.number, ack: 1, credit });
      return;
    }
    this.#hasAckDue = true;
    if (acks.delayMicros > 0 && this.#ackAt === NEVER) this.#ackAt = now + acks.delayMicros;
  }

  #close(now: Micros, frame: HeardFrame): void {
    if (this.#habits.close === 'isEmptyFrame') {
      this.#acknowledge(now, frame);
      return;
    }
    const credit = { channel: frame.channel, exponent: this.#habits.opening.grantExponent };
    const close = { type: FrameType.close, ackNumber: frame.number, ack: 1 };
    this.#sender.numbered(now, this.#habits.credits.obeys ? close : { ...close, credit });
    this.isOver = true;
  }

  /** Sends answers, then credits, then acknowledgements, as far as habits allow. */
  #flush(now: Micros): void {
    if (!this.#isServing) return;
    while (this.#replies.count > 0 && this.#sender.hasWindow) {
      if (!this.#sendReplies(now)) break;
    }
    this.#returnCredits(now);
    if (this.#repeatedAck !== undefined && this.#sender.hasWindow) this.#sendEmpty(now);
    if (!this.#hasAckDue || this.#ackAt !== NEVER) return;
    if (this.#habits.acks.emptyFrame === 'emptyFrame') this.#sendEmpty(now);
    else this.#sender.ackOnly(this.#ackNumber(), this.#isNaking ? 0 : 1);
    this.#hasAckDue = false;
  }

  #sendReplies(now: Micros): boolean {
    const { acks, credits, service } = this.#habits;
    const room = credits.obeys ? (this.#sender.account[Channel.D] as number) : Infinity;
    const mostBytes = this.#place.mtuBytes;
    const batch = this.#replies.take({ most: service.messagesPerFrame, mostBytes, room });
    const first = batch[0];
    if (first === undefined) return false;
    this.#sender.numbered(now, {
      type: FrameType.normal,
      ackNumber: acks.numberOf === 'request' ? first.number : this.#ackNumber(),
      ack: this.#isNaking ? 0 : 1,
      messages: batch.map(({ reply }) => reply),
      ...(credits.returns === 'leaky' && {
        credit: { channel: Channel.A, exponent: first.leak },
      }),
    });
    this.#acknowledgementLeft();
    return true;
  }

  #returnCredits(now: Micros): void {
    const { credits } = this.#habits;
    if (!this.#sender.isOwing) return;
    if (credits.withheldWhileBlocked && this.#replies.count > 0) return;
    if (credits.delayMicros > 0) {
      if (this.#creditAt === NEVER && !this.#isCreditDue) {
        this.#creditAt = now + credits.delayMicros;
        this.#isCreditDue = true;
        return;
      }
      if (this.#creditAt !== NEVER) return;
      this.#isCreditDue = false;
    }
    while (this.#sender.isOwing && this.#sender.hasWindow) this.#sendEmpty(now);
  }

  #sendEmpty(now: Micros): void {
    const ack = this.#isNaking ? 0 : 1;
    this.#sender.numbered(now, { type: FrameType.normal, ackNumber: this.#ackNumber(), ack });
    this.#acknowledgementLeft();
  }

  #acknowledgementLeft(): void {
    this.#hasAckDue = false;
    this.#ackAt = NEVER;
    this.#repeatedAck = undefined;
  }

  #lastInOrder(): number {
    return sequenceAfter(this.#expected, -1);
  }

  #ackNumber(): number {
    if (this.#repeatedAck !== undefined) return this.#repeatedAck;
    return this.#counted === this.#expected ? this.#counted : this.#lastInOrder();
  }
}

interface WaitingRequest {
  readonly at: Micros;
  readonly message: HeardMessage;
  readonly number: number;
}

/** Whoever waits for grants wants more than 128 flits of each channel. */
const MIN_GRANT_EXPONENT = 8;

/** One flit for a Get, the data for a Put; below a word the exponent wraps around. */
function leakOf({ fields }: HeardMessage): number {
  return fields.opcode === OpcodeA.get ? 0 : (fields.sizeLog2 - 3) & 31;
}
