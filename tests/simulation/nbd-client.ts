import type { ExportTable } from '@oxmem/nbd-protocol';
import { MemoryLink, type ClientReply } from '@oxmem/nbd-protocol/testing';
import type { Micros } from '@oxmem/tloe-protocol';
import type { MemoryOracle, Prng, ReadTicket, WriteTicket } from '@oxmem/tloe-protocol/testing';
import type { ClientPlan, Operation } from './plan.ts';
import { Violation } from './violation.ts';

/** What a client needs to know of the run around it. */
export interface ClientRun {
  readonly name: string;
  /** Of the whole device. */
  readonly oracle: MemoryOracle;
  /** Whether bytes are compared: not where data may be inverted on the wire. */
  readonly comparesData: boolean;
  now(): Micros;
  /** Asks for a call of `step` at `at`. */
  callAt(at: Micros): void;
  /** An operation begins or has ended. */
  told(operation: number, text: string): void;
  /** An operation has failed: the client knows that something is wrong. */
  failed(): void;
}

/** An operation that was sent and not answered. */
interface Open {
  readonly index: number;
  readonly operation: Operation;
  readonly cookie: number;
  readonly sentAt: Micros;
  readonly write: WriteTicket | undefined;
  readonly read: ReadTicket | undefined;
}

/**
 * A client of a block device: does its operations in order, so many at a time, and compares what it
 * reads with what may be there.
 */
export class NbdClient {
  /** Operations that were answered, and those of them with an error. */
  done = 0;
  failed = 0;
  /** The longest that an operation took. */
  longestMicros: Micros = 0;
  readonly #plan: ClientPlan;
  readonly #run: ClientRun;
  readonly #link: MemoryLink;
  readonly #seed: number;
  #open: Open[] = [];
  #next = 0;
  #notBefore: Micros = -1;
  /** The time for which a call was asked. */
  #calledAt: Micros = -1;
  #outputSeen = -1;
  #inputSeen = -1;

  constructor(plan: ClientPlan, run: ClientRun, server: { exports: ExportTable; prng: Prng }) {
    this.#plan = plan;
    this.#run = run;
    this.#seed = server.prng.nextUint32();
    const cuts = server.prng.fork('cuts');
    const cut = (): number => 1 + cuts.below(3000);
    this.#link = new MemoryLink(
      { exports: server.exports, limits: LIMITS },
      { inputCut: cut, outputCut: cut },
    );
    this.#link.client.sendHandshake('oxmem', plan.hasStructuredReplies);
    this.#link.run();
  }

  /** Whether every operation was answered. */
  get isDone(): boolean {
    return this.#open.length === 0 && this.#next === this.#plan.operations.length;
  }

  /** Operations sent and not answered, and when the oldest was sent. */
  get oldestSentAt(): Micros {
    return this.#open[0]?.sentAt ?? Infinity;
  }

  get requestsOpen(): number {
    return this.#open.length;
  }

  /** Requests and bytes of the server that are still in use. */
  get leftovers(): number {
    const { requestsInUse, slabBytesInUse } = this.#link.connection;
    return requestsInUse + slabBytesInUse + this.#link.client.openRequests;
  }

  /** Moves bytes, takes answers, sends what there is room for. True if anything happened. */
  step(): void {
    this.#move();
    while (this.#sendNext()) this.#move();
  }

  /** Whether `step` has something to do: the server has shown output or wants input. */
  get isStirred(): boolean {
    const { outputCalls, inputWantedCalls } = this.#link;
    return outputCalls !== this.#outputSeen || inputWantedCalls !== this.#inputSeen;
  }

  /** Sends no more operations than those that are open. */
  stop(): void {
    this.#next = this.#plan.operations.length;
  }

  /**
   * The server is gone from one moment to the next: what is open has failed, or may have worked.
   *
   * @returns what it has not asked for
   */
  abandon(): ClientPlan {
    const operations = this.#plan.operations.slice(this.#next);
    for (const { write, read } of this.#open) {
      if (write !== undefined) this.#run.oracle.endWrite(write, 'failed');
      if (read !== undefined) this.#run.oracle.endRead(read, undefined);
    }
    this.#open = [];
    this.stop();
    return { ...this.#plan, operations };
  }

  /** Reads the whole device and compares; the answers come as with any operation. */
  readBack(lengthBytes: number, pieces: number): void {
    const piece = Math.ceil(lengthBytes / pieces);
    for (let offset = 0; offset < lengthBytes; offset += piece) {
      const length = Math.min(piece, lengthBytes - offset);
      this.#send({ kind: 'read', offset, length, pauseMicros: 0 }, -1);
    }
    this.#move();
  }

  /** Says good-bye; the server lets go of everything. */
  disconnect(): boolean {
    this.#link.client.disconnect();
    this.#link.run();
    return this.#link.isReleased;
  }

  #move(): void {
    try {
      this.#link.run();
    } catch (thrown) {
      // The client checks cookies and replies, and throws what it does not like.
      if (thrown instanceof Error && thrown.name === 'Error') {
        throw new Violation(10, thrown.message, { cause: thrown });
      }
      throw thrown;
    }
    this.#outputSeen = this.#link.outputCalls;
    this.#inputSeen = this.#link.inputWantedCalls;
    if (this.#open.length > 0) this.#open = this.#open.filter((open) => !this.#settle(open));
  }

  #sendNext(): boolean {
    const operation = this.#plan.operations[this.#next];
    if (operation === undefined || this.#open.length >= this.#plan.depth) return false;
    const now = this.#run.now();
    if (this.#notBefore < 0) this.#notBefore = now + operation.pauseMicros;
    if (now < this.#notBefore) {
      if (this.#calledAt !== this.#notBefore) this.#run.callAt(this.#notBefore);
      this.#calledAt = this.#notBefore;
      return false;
    }
    this.#notBefore = -1;
    this.#send(operation, this.#next++);
    return true;
  }

  #send(operation: Operation, index: number): void {
    const { client } = this.#link;
    const { oracle } = this.#run;
    const { kind, offset, length } = operation;
    let write: WriteTicket | undefined;
    let read: ReadTicket | undefined;
    let cookie: number;
    if (kind === 'read') {
      read = oracle.beginRead(offset, length);
      cookie = client.read(offset, length);
    } else if (kind === 'write' || kind === 'zero') {
      const data = kind === 'write' ? this.#data(index, length) : new Uint8Array(length);
      write = oracle.beginWrite(offset, data);
      cookie =
        kind === 'write'
          ? client.write(offset, data)
          : client.sendRequest({ type: WRITE_ZEROES, offset, length });
    } else if (kind === 'flush') {
      cookie = client.flush();
    } else {
      cookie = client.sendRequest({ type: TRIM, offset, length });
    }
    this.#run.told(index, `${kind} ${length} B at ${offset}`);
    const sentAt = this.#run.now();
    this.#open.push({ index, operation, cookie, sentAt, write, read });
  }

  /** Other bytes for each operation, never those of a lost memory for long. */
  #data(index: number, length: number): Uint8Array {
    let state = (this.#seed ^ Math.imul(index + 1, 0x9e3779b9)) >>> 0;
    return Uint8Array.from({ length }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 24;
    });
  }

  #settle(open: Open): boolean {
    const reply = this.#link.client.reply(open.cookie);
    if (reply === undefined) return false;
    const { operation, write, read, index } = open;
    const isOk = reply.error === 0;
    this.done++;
    this.longestMicros = Math.max(this.longestMicros, this.#run.now() - open.sentAt);
    this.#run.told(index, `${operation.kind} at ${operation.offset}: error ${reply.error}`);
    if (!isOk) {
      this.failed++;
      this.#run.failed();
    }
    if (write !== undefined) this.#run.oracle.endWrite(write, isOk ? 'ok' : 'failed');
    if (read !== undefined) this.#compare(read, isOk ? reply : undefined);
    return true;
  }

  #compare(ticket: ReadTicket, reply: ClientReply | undefined): void {
    const mismatch = this.#run.oracle.endRead(ticket, reply?.data);
    if (mismatch === undefined || !this.#run.comparesData) return;
    const { offset, actual, allowed } = mismatch;
    const what = `${this.#run.name} reads ${actual} at ${offset}, not ${allowed.join(' or ')}`;
    throw new Violation(1, what);
  }
}

const WRITE_ZEROES = 6;
const TRIM = 4;

/** Small, so that a connection is often full. */
const LIMITS = { slabBytes: 65_536, requests: 16 };
