import {
  Channel,
  FrameType,
  HALF_SEQUENCE_SPACE,
  LinkStats,
  MessageFields,
  NEVER,
  OpcodeA,
  OpcodeD,
  sequenceAfter,
  sequenceDistance,
  type Alarm,
  type Clock,
  type FrameTransport,
  type Micros,
} from '@oxmem/tloe-protocol';
import type { Prng } from '@oxmem/tloe-protocol/testing';
import { ENDPOINT_PERSONAS } from './endpoint-personas.ts';
import { FrameOutlet } from './frame-outlet.ts';
import { OPENING_REPEAT_MICROS, type InitiatorHabits } from './initiator-habits.ts';
import { readFrame, type HeardFrame, type HeardMessage } from './persona-frame.ts';
import { PersonaSender, costOf } from './persona-sender.ts';
import { RequestBook, type OpenRequest } from './request-book.ts';

/** Where a foreign initiator lives. */
export interface InitiatorPlace {
  /** Belongs to the initiator from now on. */
  readonly transport: FrameTransport;
  readonly clock: Clock;
  readonly endpointMac: Uint8Array;
  readonly prng: Prng;
}

/**
 * An initiator that behaves like a foreign one, defects included: to see that our endpoint serves
 * it. Reads and writes whole words. What the real one waits for without end, this one does too: the
 * promise stays open.
 */
export class PersonaInitiator {
  readonly habits: InitiatorHabits;
  /** Why it does nothing any more, if something was too much for it. */
  end: string | undefined = undefined;
  readonly #place: InitiatorPlace;
  readonly #sender: PersonaSender;
  readonly #outlet: FrameOutlet;
  readonly #alarm: Alarm;
  readonly #book: RequestBook;
  #expected = 0;
  #counted = -1;
  #step = 0;
  #state: 'idle' | 'opening' | 'open' | 'closing' | 'closed' = 'idle';
  #granted = new Set<number>();
  #hasAckDue = false;
  #ackAt: Micros = NEVER;
  #openingAt: Micros = NEVER;
  #closeNumber = -1;
  #opened: (() => void) | undefined = undefined;
  #closed: (() => void) | undefined = undefined;

  constructor(habits: InitiatorHabits, place: InitiatorPlace) {
    this.habits = habits;
    this.#place = place;
    this.#outlet = new FrameOutlet(place.transport);
    this.#book = new RequestBook(habits.requests);
    const { credits, service, acks } = ENDPOINT_PERSONAS.plain;
    this.#sender = new PersonaSender({
      habits: {
        resend: habits.resend,
        acks,
        service,
        credits: { ...credits, ...habits.credits },
      },
      ownMac: place.transport.ownMac,
      peerMac: place.endpointMac,
      mtuBytes: place.transport.mtuBytes,
      prng: place.prng,
      stats: new LinkStats(),
      send: (frame) => this.#outlet.send(frame),
    });
    this.#alarm = place.clock.createAlarm(() => this.#onAlarm());
    place.transport.start({
      onReceiveBatch: (count) => this.#onReceiveBatch(count),
      onWritable: () => this.#outlet.drain(),
      onFailure: () => this.stop(),
    });
  }

  /** Opens; resolves when the first request may leave. */
  open(): Promise<void> {
    this.#state = 'opening';
    return new Promise((resolve) => {
      this.#opened = resolve;
      this.#sendOpening(this.#place.clock.now());
      this.#settle();
    });
  }

  /** Reads words; undefined if the real one would report an error. */
  read(address: number, length: number): Promise<Uint8Array | undefined> {
    return new Promise((resolve) => {
      this.#book.read(address, length, resolve);
      this.#settle();
    });
  }

  /** Writes words; resolves with whether it has succeeded. */
  write(address: number, bytes: Uint8Array): Promise<boolean> {
    return new Promise((resolve) => {
      this.#book.write(address, bytes, resolve);
      this.#settle();
    });
  }

  /** Closes; resolves when the real one would end. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#closed = resolve;
      this.#state = 'closing';
      this.#closeNumber = this.#sender.next;
      this.#numbered(this.#place.clock.now(), FrameType.close, []);
      if (this.habits.closesWith === 'ownClose') this.#finish();
      this.#settle();
    });
  }

  /** Ends like a killed program. */
  stop(): void {
    this.#state = 'closed';
    this.#alarm.close();
    this.#place.transport.close();
  }

  #sendOpening(now: Micros): void {
    const { opening } = this.habits;
    do {
      const [channel, exponent] = opening.grants[this.#step] as readonly [number, number];
      const type = this.#step === 0 ? FrameType.open : FrameType.normal;
      const said = { ack: opening.ack, credit: { channel, exponent } };
      // A stepwise one shows the highest number that it has seen, without an ack bit.
      const ackNumber = this.#lastInOrder();
      this.#sender.numbered(now, { type, ackNumber, ...said, isFleeting: opening.hasFarewell });
      this.#step++;
    } while (!opening.isStepwise && this.#step < opening.grants.length);
    if (opening.awaits === 'allGrants') this.#openingAt = now + OPENING_REPEAT_MICROS;
    if (opening.awaits === 'nothing') this.#becomeOpen(now);
  }

  #becomeOpen(now: Micros): void {
    this.#state = 'open';
    this.#openingAt = NEVER;
    if (this.habits.opening.hasFarewell) {
      this.#sender.acked = sequenceAfter(this.#sender.next, -1);
      const farewell = { type: FrameType.normal, ackNumber: this.#lastInOrder(), ack: 1 };
      this.#sender.numbered(now, { ...farewell, isFleeting: true });
    }
    this.#opened?.();
    this.#opened = undefined;
  }

  #onReceiveBatch(count: number): void {
    const { receiveRegion, receiveDescriptors } = this.#place.transport;
    const now = this.#place.clock.now();
    for (let i = 0; i < count && this.end === undefined && this.#state !== 'closed'; i++) {
      const offset = receiveDescriptors[2 * i] as number;
      const end = offset + (receiveDescriptors[2 * i + 1] as number);
      const frame = readFrame(receiveRegion.bytes.subarray(offset, end), 'mask');
      if (frame !== undefined) this.#take(now, frame);
      this.#settle();
    }
  }

  #take(now: Micros, frame: HeardFrame): void {
    if (this.habits.receive.order === 'any') this.#takeAny(frame);
    else if (!this.#takeStrict(now, frame)) return;
    if (frame.type === FrameType.ackOnly) return;
    this.#takeGrant(frame);
    for (const message of frame.messages) this.#takeMessage(frame, message);
    this.#noteAck(now, frame);
    if (this.#state === 'opening') this.#advanceOpening(now, frame);
    else if (this.#state === 'closing') this.#advanceClosing(frame);
  }

  /** Plain comparison: the highest number counts, whatever is missing. */
  #takeAny(frame: HeardFrame): void {
    if (frame.number >= this.#expected) this.#expected = sequenceAfter(frame.number, 1);
  }

  #takeStrict(now: Micros, frame: HeardFrame): boolean {
    const { receive, resend } = this.habits;
    const takesAllAcks = !receive.diesOfOddAcks;
    if (takesAllAcks && this.#state !== 'opening') this.#takeAck(now, frame);
    const behind = sequenceDistance(frame.number, this.#expected);
    if (behind !== 0) {
      if (behind > HALF_SEQUENCE_SPACE && receive.ahead === 'isNaked') this.#empty(now, 0);
      else if (receive.ahead === 'repeatsAck' && frame.type !== FrameType.ackOnly) {
        this.#hasAckDue = true;
      }
      return false;
    }
    if (!takesAllAcks) this.#takeAck(now, frame);
    if (resend !== undefined && this.#sender.resendAt !== NEVER && receive.diesOfOddAcks) {
      this.#sender.resendAt = now + resend.timeoutMicros;
    }
    if (frame.type !== FrameType.ackOnly) this.#expected = sequenceAfter(this.#expected, 1);
    else if (receive.countsAckOnly) this.#counted = frame.number;
    return true;
  }

  #takeAck(now: Micros, frame: HeardFrame): void {
    const result = this.#sender.acknowledged(now, frame, this.#ackNumber());
    if (result === 'odd' && this.habits.receive.diesOfOddAcks) {
      this.end = `${this.habits.name} panics: acknowledgement of ${frame.ackNumber}`;
      this.stop();
    }
  }

  #takeGrant({ channel, credit }: HeardFrame): void {
    if (channel < Channel.A || channel > Channel.E) return;
    this.#granted.add(channel);
    (this.#sender.account[channel] as number) += 2 ** credit;
  }

  #takeMessage(frame: HeardFrame, { fields, body, flits }: HeardMessage): void {
    if (fields.channel !== Channel.D) return;
    const isData = fields.opcode === OpcodeD.accessAckData;
    if (this.habits.returnsCredits) (this.#sender.debt[Channel.D] as number) += flits;
    const found = this.#book.find(fields.source, frame.ackNumber);
    if (found === undefined && this.habits.receive.diesOfOddAcks) {
      this.end = `${this.habits.name} panics: a second answer for source ${fields.source}`;
      this.stop();
    }
    if (found !== undefined) this.#book.answered(found, isData ? body : undefined);
  }

  #noteAck(now: Micros, frame: HeardFrame): void {
    const { acks, ackDelayMicros } = this.habits.receive;
    if (acks === 'never' || frame.type === FrameType.close) return;
    this.#hasAckDue = true;
    if (ackDelayMicros > 0 && this.#ackAt === NEVER) this.#ackAt = now + ackDelayMicros;
  }

  #advanceOpening(now: Micros, frame: HeardFrame): void {
    const { awaits, grants } = this.habits.opening;
    const isEmpty = frame.messages.length === 0;
    if (awaits === 'exactAcks') {
      if (!isEmpty || frame.ackNumber !== this.#step - 1) return;
      if (this.#step < grants.length) this.#sendOpening(now);
      else this.#becomeOpen(now);
    } else if (awaits === 'anyFrame') this.#becomeOpen(now);
    else if ([1, 2, 3, 4, 5].every((channel) => this.#granted.has(channel))) this.#becomeOpen(now);
  }

  #advanceClosing(frame: HeardFrame): void {
    const { closesWith } = this.habits;
    const isExact = frame.messages.length === 0 && frame.ackNumber === this.#closeNumber;
    if (closesWith === 'exactAck' && isExact) this.#finish();
    if (closesWith === 'peerClose' && frame.type === FrameType.close) this.#finish();
  }

  #finish(): void {
    this.#state = 'closed';
    this.#closed?.();
  }

  #onAlarm(): void {
    const now = this.#place.clock.now();
    if (this.#sender.resendAt <= now) this.#sender.timedOut(now, this.#ackNumber());
    if (this.#ackAt <= now) this.#ackAt = NEVER;
    if (this.#openingAt <= now) {
      this.#step = 0;
      this.#sender.next = 0;
      this.#sendOpening(now);
    }
    this.#settle();
  }

  /** Requests, then acknowledgements, then the next alarm. */
  #settle(): void {
    const now = this.#place.clock.now();
    if (this.#state === 'open') this.#sendRequests(now);
    if (this.#state !== 'idle' && this.#state !== 'opening') this.#sendAcks(now);
    this.#outlet.drain();
    const own = Math.min(this.#ackAt, this.#openingAt, this.#book.nextAt);
    if (this.#state !== 'closed') this.#alarm.arm(Math.min(own, this.#sender.resendAt));
  }

  #sendRequests(now: Micros): void {
    for (;;) {
      const request = this.#book.next(now);
      if (request === undefined || !this.#sender.hasWindow) return;
      const credits = this.#sender.account[Channel.A] as number;
      if (this.habits.credits.obeys && credits < costOf(messageOf(request))) return;
      // It gets its source now.
      this.#book.sent(request, now, this.#sender.next);
      this.#numbered(now, FrameType.normal, [messageOf(request)]);
    }
  }

  #sendAcks(now: Micros): void {
    while (this.#hasAckDue && this.#ackAt === NEVER && this.#state !== 'closed') {
      this.#hasAckDue = false;
      if (this.habits.receive.acks === 'emptyFrame' && this.#sender.hasWindow) this.#empty(now, 1);
      else if (this.habits.returnsCredits && this.#sender.isOwing && this.#sender.hasWindow) {
        this.#empty(now, 1);
      } else this.#sender.ackOnly(this.#ackNumber(), 1);
    }
  }

  #empty(now: Micros, ack: 0 | 1): void {
    const said = { type: FrameType.normal, ackNumber: this.#ackNumber(), ack };
    this.#sender.numbered(now, said);
    if (ack === 1) this.#hasAckDue = false;
  }

  #numbered(now: Micros, type: number, messages: readonly ReturnType<typeof messageOf>[]): void {
    this.#sender.numbered(now, { type, ackNumber: this.#ackNumber(), ack: 1, messages });
    this.#hasAckDue = false;
    this.#ackAt = NEVER;
  }

  #lastInOrder(): number {
    return sequenceAfter(this.#expected, -1);
  }

  #ackNumber(): number {
    return this.#counted === this.#expected ? this.#counted : this.#lastInOrder();
  }
}

function messageOf(request: OpenRequest): { fields: MessageFields; body: Uint8Array } {
  const fields = new MessageFields();
  fields.channel = Channel.A;
  fields.opcode = request.data === undefined ? OpcodeA.get : OpcodeA.putFullData;
  fields.sizeLog2 = request.sizeLog2;
  fields.source = request.source;
  fields.addressLow = request.address;
  return { fields, body: request.data ?? new Uint8Array() };
}
