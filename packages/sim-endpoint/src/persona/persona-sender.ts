import {
  CHANNEL_TABLE_SIZE,
  FrameType,
  NEVER,
  floorLog2,
  messageFlits,
  packHeaderHigh,
  sequenceAfter,
  sequenceDistance,
  type LinkStats,
  type Micros,
} from '@oxmem/tloe-protocol';
import type { Prng } from '@oxmem/tloe-protocol/testing';
import type { EndpointHabits } from './endpoint-habits.ts';
import {
  refreshAcknowledgement,
  writeFrame,
  type HeardFrame,
  type SaidMessage,
} from './persona-frame.ts';

/** What the sending half needs of its connection. */
export interface SenderPlace {
  readonly habits: Pick<EndpointHabits, 'resend' | 'credits' | 'acks' | 'service'>;
  readonly ownMac: Uint8Array;
  readonly peerMac: Uint8Array;
  readonly mtuBytes: number;
  readonly prng: Prng;
  readonly stats: LinkStats;
  send(frame: Uint8Array): void;
}

/** What a numbered frame says beside its number. */
export interface Numbered {
  readonly type: number;
  readonly ackNumber: number;
  readonly ack: number;
  readonly messages?: readonly SaidMessage[];
  /** Credit to give; undefined: what is owed most. */
  readonly credit?: { readonly channel: number; readonly exponent: number };
  /** Is not kept for resending. */
  readonly isFleeting?: boolean;
}

/** Numbers, keeps and repeats frames, and counts credits, by habit. */
export class PersonaSender {
  next = 0;
  /** The last number that the initiator has acknowledged. */
  acked: number = sequenceAfter(0, -1);
  resendAt: Micros = NEVER;
  /** Flits that may be sent, and that are owed, by channel. */
  readonly account: Float64Array;
  readonly debt: Float64Array = new Float64Array(CHANNEL_TABLE_SIZE);
  /** Flits that the initiator may still send, by channel. */
  readonly room: Float64Array;
  readonly #place: SenderPlace;
  #copies: { readonly number: number; readonly frame: Uint8Array }[] = [];
  #isNextDoubled = false;

  constructor(place: SenderPlace) {
    this.#place = place;
    const { implied } = place.habits.credits;
    this.account = new Float64Array(CHANNEL_TABLE_SIZE).fill(implied);
    this.room = new Float64Array(CHANNEL_TABLE_SIZE).fill(implied);
  }

  get hasWindow(): boolean {
    const { resend } = this.#place.habits;
    return resend === undefined || this.#copies.length < resend.windowFrames;
  }

  get isOwing(): boolean {
    return this.debt.some((flits) => flits > 0);
  }

  /** Sends a frame that takes a number. */
  numbered(now: Micros, said: Numbered): void {
    const { habits, stats } = this.#place;
    const { type, ackNumber, ack, messages = [] } = said;
    const { channel, exponent } = said.credit ?? this.#takeDebt();
    if (channel > 0) (this.room[channel] as number) += 2 ** exponent;
    for (const message of messages) this.#spend(message);
    const { losesLastWord } = habits.service;
    const number = this.next;
    const body = { messages, losesLastWord };
    const frame = this.#frame({ type, number, ackNumber, ack, channel, credit: exponent, ...body });
    this.next = sequenceAfter(number, 1);
    this.#place.send(frame);
    stats.framesSent++;
    stats.messagesSent += messages.length;
    if (this.#isNextDoubled) {
      this.#isNextDoubled = false;
      this.#place.send(frame);
      stats.framesResent++;
    }
    if (habits.resend === undefined || said.isFleeting === true) return;
    this.#copies.push({ number, frame });
    if (habits.resend.startsWith === 'transmission' && this.resendAt === NEVER) {
      this.resendAt = now + habits.resend.timeoutMicros;
    }
  }

  /** A frame that only acknowledges and takes no number. */
  ackOnly(ackNumber: number, ack: number, isClean = false): void {
    const { habits, prng, stats } = this.#place;
    const header = { type: FrameType.ackOnly, number: this.next, ackNumber, ack };
    const frame = this.#frame({ ...header, channel: 0, credit: 0, messages: [] });
    if (habits.acks.hasDirtyAckOnly && !isClean) soil(frame, this.next, prng);
    this.#place.send(frame);
    stats.framesSent++;
    stats.ackOnlySent++;
  }

  /** An acknowledgement has come; `ownAck` is what to say in answer. `odd`: of what was never sent, or of what was settled before. */
  acknowledged(now: Micros, heard: HeardFrame, ownAck: number): 'odd' | 'fine' {
    const { ackNumber: number, ack } = heard;
    const { resend } = this.#place.habits;
    const steps = sequenceDistance(this.acked, number);
    const outstanding = sequenceDistance(this.acked, this.next) - 1;
    const isFine = steps <= outstanding;
    if (isFine) {
      this.#copies = this.#copies.slice(
        this.#copies.filter((copy) => isUpTo(copy.number, number, this.acked)).length,
      );
      this.acked = number;
    }
    if (resend === undefined) return isFine ? 'fine' : 'odd';
    if (ack === 0) this.resend(now, ownAck);
    else if (resend.startsWith === 'acknowledgement') this.resendAt = now + resend.timeoutMicros;
    else if (isFine && steps > 0) {
      this.resendAt = this.#copies.length === 0 ? NEVER : now + resend.timeoutMicros;
    }
    return isFine ? 'fine' : 'odd';
  }

  /** Sends what is kept once more. */
  resend(now: Micros, ackNumber: number): void {
    const { habits, stats } = this.#place;
    if (habits.resend === undefined) return;
    for (const { frame } of this.#copies) {
      if (!habits.resend.isVerbatim) refreshAcknowledgement(frame, ackNumber, 1);
      this.#place.send(frame);
      stats.framesSent++;
      stats.framesResent++;
    }
    const isIdle = this.#copies.length === 0;
    this.resendAt = isIdle ? NEVER : now + habits.resend.timeoutMicros;
  }

  /** The resend timer has run out. */
  timedOut(now: Micros, ackNumber: number): void {
    const { resend } = this.#place.habits;
    this.resendAt = NEVER;
    if (this.#copies.length > 0) this.resend(now, ackNumber);
    else if (resend?.startsWith === 'acknowledgement') this.#isNextDoubled = true;
  }

  /** Forgets what it has kept. */
  loseCopies(): void {
    this.#copies = [];
  }

  #spend(message: SaidMessage): void {
    (this.account[message.fields.channel] as number) -= costOf(message);
  }

  #takeDebt(): { channel: number; exponent: number } {
    const channel = this.debt.indexOf(Math.max(...this.debt));
    const owed = this.debt[channel] as number;
    if (owed < 1) return { channel: 0, exponent: 0 };
    const exponent = floorLog2(owed);
    (this.debt[channel] as number) -= 2 ** exponent;
    return { channel, exponent };
  }

  #frame(said: Parameters<typeof writeFrame>[0]): Uint8Array {
    const { ownMac, peerMac } = this.#place;
    return writeFrame(said, { destination: peerMac, source: ownMac });
  }
}

/** Flits of a message, as its credits count them: an AccessAck of size 0 costs one all the same. */
export function costOf({ fields }: SaidMessage): number {
  const { channel, opcode, sizeLog2 } = fields;
  return messageFlits(channel, opcode, sizeLog2);
}

function isUpTo(number: number, last: number, acked: number): boolean {
  return sequenceDistance(acked, number) <= sequenceDistance(acked, last);
}

/** Left-over memory everywhere but in the fields that are filled in. */
function soil(frame: Uint8Array, number: number, prng: Prng): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const reserved = ((prng.below(8) << 29) | (prng.below(8) << 22)) >>> 0;
  view.setUint32(14, (packHeaderHigh(FrameType.ackOnly, number) | reserved) >>> 0);
  frame[20] = (frame[20] as number) | prng.below(2);
  prng.fillBytes(frame.subarray(22, frame.length - 8));
}
