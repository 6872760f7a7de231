import {
  Channel,
  FrameType,
  FrameView,
  HALF_SEQUENCE_SPACE,
  MessageView,
  OpcodeA,
  RejectReason,
  sequenceAfter,
  sequenceDistance,
  type ByteRegion,
  type Micros,
} from '@oxmem/tloe-protocol';
import { Violation, invariant, type InvariantNumber } from './violation.ts';

/** What an auditor has to know of a connection. */
export interface AuditTerms {
  readonly firstSequenceNumber: number;
  /** Frames in flight at most, of the driver and of the endpoint. */
  readonly driverWindow: number;
  readonly endpointWindow: number;
  /** Whether the endpoint is ours: then its frames are held to the rules as well. */
  readonly isEndpointOurs: boolean;
  /** Whether the driver keeps to the credits that it was granted. */
  obeysCredits(): boolean;
  /** A write that nobody answered keeps its range for so long, and no longer. */
  readonly quarantineMicros: Micros;
  now(): Micros;
  /** Numbers that were given up as lost for good, on either side: afterwards acks may pass over. */
  numbersSkipped(): number;
}

/** One end of the connection that is audited. */
export type AuditedEnd = 'driver' | 'endpoint';

/** A write under way, as far as the driver can know. */
interface OpenWrite {
  readonly source: number;
  readonly opcode: number;
  readonly addressHigh: number;
  /** Of 64-bit words. */
  readonly start: number;
  readonly end: number;
  readonly sentAt: Micros;
}

/**
 * Follows one connection from outside, frame by frame, with a model of its own of what each end may
 * do: numbers in order, resends equal to what was sent first, acknowledgements only of what came and
 * never back, credits spent only as granted, answers in the order of the requests, each once.
 *
 * The model knows what arrived, not what was taken, so it allows an end as much as it could know at
 * most. Ends for good when one side begins anew.
 */
export class WireAudit {
  readonly #terms: AuditTerms;
  readonly #driver: End;
  readonly #endpoint: End;
  /** Sources of the requests and of the answers, in the order of their messages. */
  readonly #requests: number[] = [];
  readonly #answers: number[] = [];
  readonly #sources = new Set<number>();
  #writes: OpenWrite[] = [];
  readonly #view = new FrameView();
  readonly #message = new MessageView();
  #isOver = false;

  constructor(terms: AuditTerms) {
    this.#terms = terms;
    const first = terms.firstSequenceNumber;
    this.#driver = new End('driver', first, terms.driverWindow);
    this.#endpoint = new End('endpoint', first, terms.endpointWindow);
  }

  /** Nothing more can be said of this connection. */
  stop(): void {
    this.#isOver = true;
  }

  /** Whether it still follows the connection. */
  get isFollowing(): boolean {
    return !this.#isOver;
  }

  /** A frame is handed to the wire. */
  sent(by: AuditedEnd, region: ByteRegion, offset: number, length: number): void {
    if (this.#isOver || (by === 'endpoint' && !this.#terms.isEndpointOurs)) return;
    const end = by === 'driver' ? this.#driver : this.#endpoint;
    const view = this.#view;
    const reason = view.load(region, offset, length);
    invariant(2, reason === RejectReason.none, () => `${by} sends a frame that nobody can read`);
    this.#checkAcknowledgement(end);
    if (view.frameType === FrameType.ackOnly) return;
    const hash = contentHash(region, offset, length);
    if (view.frameType === FrameType.open && this.#beginsAnew(end, hash)) return;
    if (view.sequenceNumber === end.next) this.#sentNew(end, hash);
    else this.#sentAgain(end, hash);
  }

  /** A frame has come to an end that will look at it. */
  received(by: AuditedEnd, region: ByteRegion, offset: number, length: number): void {
    if (this.#isOver) return;
    const end = by === 'driver' ? this.#driver : this.#endpoint;
    const view = this.#view;
    if (view.load(region, offset, length) !== RejectReason.none) return;
    const isNumbered = view.frameType !== FrameType.ackOnly;
    if (view.vc !== 0 && isNumbered) return;
    end.hear(view.sequenceNumberAck);
    if (end === this.#driver && this.#writes.length > 0) this.#forgetAnswered();
    if (isNumbered) end.take(view.sequenceNumber, view.channel, view.credit);
  }

  /** Credits that an end has left on a channel, if it took everything that came. */
  creditsLeft(by: AuditedEnd, channel: number): number {
    const end = by === 'driver' ? this.#driver : this.#endpoint;
    return (end.granted[channel] as number) - (end.spent[channel] as number);
  }

  /** Requests sent and answers given. */
  get tally(): { readonly requests: number; readonly answers: number } {
    return { requests: this.#requests.length, answers: this.#answers.length };
  }

  /** An opening that was repeated with new numbers, or a new connection: the model begins anew. */
  #beginsAnew(end: End, hash: number): boolean {
    if (end.next === this.#terms.firstSequenceNumber || end.isSame(end.first, hash)) return false;
    this.#isOver = true;
    return true;
  }

  #checkAcknowledgement(end: End): void {
    const { sequenceNumberAck: said, ack, frameType } = this.#view;
    const isNak = ack === 0 && frameType !== FrameType.ackOnly;
    if (isNak) this.#blame(2, `${end.name} says NAK in a numbered frame`);
    const backward = sequenceDistance(end.saidAck, said) >= HALF_SEQUENCE_SPACE;
    if (backward) this.#blame(2, `${end.name} acknowledges ${said} after ${end.saidAck}`);
    const ahead = sequenceDistance(said, end.upTo) >= HALF_SEQUENCE_SPACE;
    if (ahead) this.#blame(2, `${end.name} acknowledges ${said}, but has only ${end.upTo}`);
    end.saidAck = said;
  }

  #sentNew(end: End, hash: number): void {
    end.remember(end.next, hash);
    end.next = sequenceAfter(end.next, 1);
    const outstanding = sequenceDistance(end.heardAck, end.next) - 1;
    const isInside = outstanding <= end.window;
    if (!isInside) this.#blame(4, `${end.name} has ${outstanding} of ${end.window} frames out`);
    this.#spend(end);
  }

  #sentAgain(end: End, hash: number): void {
    const number = this.#view.sequenceNumber;
    const behind = sequenceDistance(number, end.next);
    const isRecent = behind >= 1 && behind <= end.window;
    if (!isRecent) this.#blame(2, `${end.name} sends number ${number} when ${end.next} is next`);
    if (!end.isSame(number, hash)) this.#blame(2, `${end.name} sends another frame as ${number}`);
  }

  #spend(end: End): void {
    const { messageCount } = this.#view;
    for (let i = 0; i < messageCount; i++) {
      this.#view.message(i, this.#message);
      const { channel, flitCount, source } = this.#message;
      (end.spent[channel] as number) += flitCount;
      if (end === this.#driver && channel === Channel.A) this.#asked(source);
      if (end === this.#endpoint && channel === Channel.D) this.#answered(source);
    }
    if (messageCount === 0 || !(end === this.#endpoint || this.#terms.obeysCredits())) return;
    for (let channel = 1; channel <= 5; channel++) {
      const spent = end.spent[channel] as number;
      const granted = end.granted[channel] as number;
      if (spent <= granted) continue;
      this.#blame(3, `${end.name} spends ${spent} of ${granted} credits of channel ${channel}`);
    }
  }

  #asked(source: number): void {
    this.#requests.push(source);
    if (this.#sources.has(source)) this.#blame(2, `the driver uses source ${source} again`);
    this.#sources.add(source);
    this.#checkOverlap();
  }

  /** Nothing may go where a write may still take effect, but for the same write again. */
  #checkOverlap(): void {
    const { opcode, addressHigh, addressLow, sizeLog2, source } = this.#message;
    const sentAt = this.#terms.now();
    const start = addressLow >>> 3;
    const end = start + Math.max(1, 2 ** sizeLog2 / 8);
    this.#writes = this.#writes.filter((write) => {
      const isElsewhere = addressHigh !== write.addressHigh || end <= write.start;
      if (isElsewhere || start >= write.end) return true;
      const isOld = sentAt - write.sentAt >= this.#terms.quarantineMicros;
      const isSame = opcode === write.opcode && start === write.start && end === write.end;
      if (!isSame && !isOld) {
        this.#blame(10, `source ${source} goes where the write ${write.source} is under way`);
      }
      return false;
    });
    if (opcode !== OpcodeA.get) {
      this.#writes.push({ source, opcode, addressHigh, start, end, sentAt });
    }
  }

  #forgetAnswered(): void {
    for (let i = 0; i < this.#view.messageCount; i++) {
      this.#view.message(i, this.#message);
      const { source } = this.#message;
      this.#writes = this.#writes.filter((write) => write.source !== source);
    }
  }

  #answered(source: number): void {
    const place = this.#answers.length;
    this.#answers.push(source);
    const asked = this.#requests[place];
    if (asked !== source) this.#blame(2, `answer ${place} has source ${source}, not ${asked}`);
  }

  #blame(number: InvariantNumber, what: string): void {
    if (this.#terms.numbersSkipped() > 0) this.#isOver = true;
    else throw new Violation(number, what);
  }
}

/** Numbers remembered; more than any window. */
const REMEMBERED = 1024;

/** What one end has sent, and what has come to it. */
class End {
  readonly name: AuditedEnd;
  readonly window: number;
  readonly first: number;
  /** Number of its next new frame. */
  next: number;
  /** The last number that it has acknowledged, and the last of its own that it knows acknowledged. */
  saidAck: number;
  heardAck: number;
  /** The last number up to which everything has come to it. */
  upTo: number;
  readonly spent = new Float64Array(8);
  readonly granted = new Float64Array(8);
  readonly #hashes = new Int32Array(REMEMBERED);
  /** Credits of frames that came early, by number: channel and exponent; -1: has not come. */
  readonly #early = new Int16Array(REMEMBERED).fill(-1);

  constructor(name: AuditedEnd, first: number, window: number) {
    this.name = name;
    this.window = window;
    this.first = first;
    this.next = first;
    this.saidAck = sequenceAfter(first, -1);
    this.heardAck = this.saidAck;
    this.upTo = this.saidAck;
  }

  remember(number: number, hash: number): void {
    this.#hashes[number % REMEMBERED] = hash;
  }

  isSame(number: number, hash: number): boolean {
    return this.#hashes[number % REMEMBERED] === hash;
  }

  /** The other end says what it has. */
  hear(number: number): void {
    const ahead = sequenceDistance(this.heardAck, number);
    if (ahead < sequenceDistance(this.heardAck, this.next)) this.heardAck = number;
  }

  /** A numbered frame of the other end. */
  take(number: number, channel: number, credit: number): void {
    const ahead = sequenceDistance(this.upTo, number);
    if (ahead === 0 || ahead >= REMEMBERED) return;
    this.#early[number % REMEMBERED] = (channel << 5) | credit;
    for (;;) {
      const next = sequenceAfter(this.upTo, 1) % REMEMBERED;
      const early = this.#early[next] as number;
      if (early < 0) return;
      this.#early[next] = -1;
      this.upTo = sequenceAfter(this.upTo, 1);
      (this.granted[early >> 5] as number) += 2 ** (early & 31);
    }
  }
}

/** A hash of everything in a frame but the MAC header and the acknowledgement. */
function contentHash({ view, bytes }: ByteRegion, offset: number, length: number): number {
  const start = offset + 14;
  let hash = Math.imul(view.getUint32(start) ^ 0x811c9dc5, 0x01000193);
  hash = Math.imul(hash ^ (bytes[start + 7] as number), 0x01000193);
  for (let at = start + 8; at + 4 <= offset + length; at += 4) {
    hash = Math.imul(hash ^ view.getUint32(at), 0x01000193);
    hash ^= hash >>> 15;
  }
  return hash | 0;
}
