import type { Link } from '../link/link.ts';
import type { MessageReceiver } from '../link/message-receiver.ts';
import { ADDRESS_ZERO, type RemoteAddress } from '../remote-address.ts';
import type { Micros } from '../units.ts';
import { Channel, OpcodeA, OpcodeC, OpcodeD, messageFlits } from '../wire/channel.ts';
import type { MessageView } from '../wire/frame-view.ts';
import { MessageFields, writeMessageHead } from '../wire/tilelink-message.ts';
import { AnswerQueue, type Answer } from './answer-queue.ts';
import { atomicResult } from './atomic.ts';
import type { DataOrder } from './data-order.ts';
import type { MemoryBackend } from './memory-backend.ts';
import { ResponderMemory } from './responder-memory.ts';
import { ResponderStats } from './responder-stats.ts';

/** Settings of a responder. */
export interface ResponderConfig {
  /** Address of the first byte of the memory. */
  readonly base: RemoteAddress;
  readonly dataOrder: DataOrder;
  /** Largest access served, log2 bytes; larger ones are denied. */
  readonly maxAccessLog2: number;
  /** What becomes of an access outside the memory. */
  readonly range: 'deny' | 'wrap';
  /** What becomes of an address that is not a multiple of the size. */
  readonly alignment: 'deny' | 'allow';
}

/** Memory from address 0 on, raw data, accesses of up to 4096 bytes. */
export const DEFAULT_RESPONDER_CONFIG: ResponderConfig = {
  base: ADDRESS_ZERO,
  dataOrder: 'raw',
  maxAccessLog2: 12,
  range: 'deny',
  alignment: 'deny',
};

/** A frame holds no more messages than this. */
const MESSAGES_PER_FRAME = 64;

/** Flits of a request without data. */
const SMALLEST_REQUEST_FLITS = 2;

/** Some initiators take 128 flits of each channel for granted. */
const UNANNOUNCED_FLITS = 256;

/** Largest parameter of each opcode of channel A. TileLink 1.8.0 table 8.3 and §7. */
const MAX_PARAMS = [0, 0, 4, 3, 0, 1, 2, 2] as const;

/** Cap "nothing", the parameter of a Grant that grants nothing. TileLink 1.8.0 table 8.3. */
const PARAM_TO_N = 2;

/** Largest operand of an atomic, log2 bytes. */
const MAX_ATOMIC_LOG2 = 3;

/**
 * The TileLink slave of one connection: serves Get, Put, atomics and Intent from a memory, refuses
 * what it cannot do with a denied answer, never with silence. It caches nothing and sends no
 * probes: Acquires are denied, Releases accepted. TileLink 1.8.0 §4-8 (TL-UH).
 *
 * Messages are executed when they arrive, except that a Get reads memory when its answer is sent.
 */
export class Responder implements MessageReceiver {
  readonly config: ResponderConfig;
  readonly stats: ResponderStats = new ResponderStats();
  readonly #memory: ResponderMemory;
  readonly #sizeBytes: number;
  #answers = new AnswerQueue(1);
  readonly #fields = new MessageFields();
  #link: Link | undefined = undefined;

  constructor(config: ResponderConfig, backend: MemoryBackend) {
    this.config = config;
    this.#memory = new ResponderMemory(backend, config.dataOrder === 'spec');
    this.#sizeBytes = backend.sizeBytes;
    this.#fields.channel = Channel.D;
  }

  /**
   * The link to answer on. All requests that its credits allow may wait for the initiator's own
   * credits at once: a frame that is not taken for want of room would keep those back that follow.
   */
  attach(link: Link): void {
    const { grantExponents } = link.config;
    const flits =
      2 ** (grantExponents[Channel.A] as number) + 2 ** (grantExponents[Channel.C] as number);
    const requests = (flits + UNANNOUNCED_FLITS) / SMALLEST_REQUEST_FLITS + 2 * MESSAGES_PER_FRAME;
    this.#link = link;
    this.#answers = new AnswerQueue(2 ** Math.ceil(Math.log2(requests)));
  }

  onRestart(): void {
    this.#answers.clear();
  }

  /** Answers that wait for credits. */
  get answersWaiting(): number {
    return this.#answers.count;
  }

  hasRoom(): boolean {
    return this.#answers.room >= MESSAGES_PER_FRAME;
  }

  onMessage(_now: Micros, message: MessageView): boolean {
    const answer = this.#answers.next();
    if (message.channel === Channel.A) this.#serve(message, answer);
    else if (message.channel === Channel.C) {
      if (!this.#takeRelease(message, answer)) return true;
    } else {
      // A GrantAck ends a Grant of ours and needs nothing; B and D are not for a responder.
      if (message.channel !== Channel.E) this.stats.unexpected++;
      return true;
    }
    answer.sizeLog2 = message.sizeLog2;
    answer.source = message.source;
    answer.domain = message.domain;
    answer.requestChannel = message.channel;
    answer.requestFlits = message.flitCount;
    this.#answers.push();
    this.pump();
    return false;
  }

  /** Sends the answers that wait, oldest first, as far as credits and window allow. */
  pump(): void {
    const answers = this.#answers;
    while (answers.count > 0) {
      const answer = answers.first();
      if (!this.#send(answer)) {
        const { stats } = this;
        if (answers.count > stats.answersWaitingPeak) stats.answersWaitingPeak = answers.count;
        return;
      }
      this.#link?.returnCredits(answer.requestChannel, answer.requestFlits);
      answers.shift();
    }
  }

  /** Executes a message of channel A and notes its answer. */
  #serve(message: MessageView, answer: Answer): void {
    const length = 1 << message.sizeLog2;
    const offset = this.#locate(message, length);
    answer.param = 0;
    answer.sink = 0;
    const isUnknown = message.param > (MAX_PARAMS[message.opcode] as number);
    answer.isDenied = offset < 0 || message.corrupt || isUnknown;
    answer.isCorrupt = false;
    answer.memoryOffset = -1;
    answer.oldValue = undefined;
    answer.lane = message.addressLow & 7;
    switch (message.opcode) {
      case OpcodeA.get:
        this.#serveGet(answer, offset, length);
        return;
      case OpcodeA.putFullData:
      case OpcodeA.putPartialData:
        this.#servePut(message, answer, offset);
        return;
      case OpcodeA.arithmeticData:
      case OpcodeA.logicalData:
        this.#serveAtomic(message, answer, offset);
        return;
      case OpcodeA.intent:
        answer.opcode = OpcodeD.hintAck;
        this.stats.others++;
        break;
      default:
        answer.opcode = OpcodeD.grant;
        answer.param = PARAM_TO_N;
        answer.isDenied = true;
        this.stats.others++;
    }
    if (answer.isDenied) this.stats.denied++;
  }

  #serveGet(answer: Answer, offset: number, length: number): void {
    this.stats.gets++;
    if (!this.#fits(length)) answer.isDenied = true;
    answer.memoryOffset = offset;
    this.#noteDataAnswer(answer, length);
    if (!answer.isDenied) this.stats.bytesRead += length;
  }

  #servePut(message: MessageView, answer: Answer, offset: number): void {
    const length = 1 << message.sizeLog2;
    this.stats.puts++;
    answer.opcode = OpcodeD.accessAck;
    if (answer.isDenied) {
      this.stats.denied++;
      return;
    }
    if (message.opcode === OpcodeA.putFullData) this.#memory.write(offset, length, message);
    else this.#memory.writeMasked(offset, length, message);
    this.stats.bytesWritten += length;
  }

  #serveAtomic(message: MessageView, answer: Answer, offset: number): void {
    const length = 1 << message.sizeLog2;
    this.stats.atomics++;
    if (!answer.isDenied && message.sizeLog2 <= MAX_ATOMIC_LOG2) {
      const kind = message.opcode === OpcodeA.arithmeticData ? 'arithmetic' : 'logical';
      const memory = this.#memory.loadNumber(offset, length);
      const operand = this.#memory.operand(message, length);
      const values = { memory, operand, bits: 8 * length };
      const result = atomicResult(kind, message.param, values);
      if (result !== undefined) {
        this.#memory.storeNumber(offset, length, result);
        answer.oldValue = memory;
      }
    }
    answer.isDenied = answer.oldValue === undefined;
    this.#noteDataAnswer(answer, length);
  }

  /** An answer with data; a denied one is corrupt as well and has its full length of zeros. */
  #noteDataAnswer(answer: Answer, length: number): void {
    answer.opcode = OpcodeD.accessAckData;
    answer.isCorrupt = answer.isDenied;
    if (!answer.isDenied) return;
    this.stats.denied++;
    answer.memoryOffset = -1;
    if (this.#fits(length)) return;
    // What no frame can hold is refused without data rather than not at all.
    answer.opcode = OpcodeD.accessAck;
    answer.isCorrupt = false;
  }

  /** Whether a frame of this link can carry an answer with so many bytes. */
  #fits(length: number): boolean {
    return 1 + length / 8 <= (this.#link?.maxMessageFlits ?? 0);
  }

  /**
   * Channel C: a Release is acknowledged. Its data is dropped: nothing was granted that could have
   * been changed.
   */
  #takeRelease(message: MessageView, answer: Answer): boolean {
    if (message.opcode !== OpcodeC.release && message.opcode !== OpcodeC.releaseData) {
      this.stats.unexpected++;
      return false;
    }
    this.stats.others++;
    answer.opcode = OpcodeD.releaseAck;
    answer.param = 0;
    answer.isDenied = false;
    answer.isCorrupt = false;
    answer.memoryOffset = -1;
    answer.oldValue = undefined;
    return true;
  }

  /** Offset of the message's address in the memory, -1 if the access is to be denied. */
  #locate(message: MessageView, length: number): number {
    const { config } = this;
    if (message.sizeLog2 > config.maxAccessLog2) return -1;
    const misalignment = message.addressLow & (length - 1);
    if (misalignment !== 0 && config.alignment === 'deny') return -1;
    if (length < 8 && (message.addressLow & 7) + length > 8) return -1;
    const high = message.addressHigh - config.base.high;
    let offset = high * 2 ** 32 + (message.addressLow - config.base.low);
    if (config.range === 'wrap') offset = this.#wrap(message);
    const isInside = offset >= 0 && offset + length <= this.#sizeBytes;
    return isInside ? offset : -1;
  }

  #wrap(message: MessageView): number {
    const { base } = this.config;
    const address = (BigInt(message.addressHigh) << 32n) | BigInt(message.addressLow);
    const from = (BigInt(base.high) << 32n) | BigInt(base.low);
    return Number(BigInt.asUintN(64, address - from) % BigInt(this.#sizeBytes));
  }

  /** TileLink 1.8.0 §4.5: damaged data is sent and marked. */
  #isDamaged(answer: Answer): boolean {
    if (answer.memoryOffset < 0) return false;
    return this.#memory.isDamaged(answer.memoryOffset, 1 << answer.sizeLog2);
  }

  #send(answer: Answer): boolean {
    const link = this.#link as Link;
    const flits = messageFlits(Channel.D, answer.opcode, answer.sizeLog2);
    const offset = link.reserve(Channel.D, flits);
    if (offset < 0) return false;
    const fields = this.#fields;
    fields.opcode = answer.opcode;
    fields.param = answer.param;
    fields.sizeLog2 = answer.sizeLog2;
    fields.domain = answer.domain;
    fields.denied = answer.isDenied;
    fields.corrupt = answer.isCorrupt || this.#isDamaged(answer);
    fields.source = answer.source;
    fields.sink = answer.sink;
    const region = link.transmitRegion;
    const body = writeMessageHead(region.view, offset, fields);
    if (answer.opcode !== OpcodeD.accessAckData) return true;
    const length = 1 << answer.sizeLog2;
    if (answer.oldValue !== undefined) {
      this.#memory.putNumber(region, body, answer.lane & ~(length - 1), length, answer.oldValue);
    } else if (answer.memoryOffset >= 0) {
      this.#memory.read(answer.memoryOffset, length, region, body, answer.lane);
    } else {
      region.bytes.fill(0, body, offset + flits * 8);
    }
    return true;
  }
}
