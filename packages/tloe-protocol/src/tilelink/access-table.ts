import { assert } from '../assert.ts';
import { ByteRegion } from '../byte-region.ts';
import { isPowerOfTwo, log2Exact, type Micros } from '../units.ts';
import { MAX_IDENTIFIER } from '../wire/tilelink-message.ts';
import type { MemoryRequest } from './memory-request.ts';
import type { RangeLock } from './range-lock.ts';

/** What an access sends, and what it waits for. */
export const AccessKind = {
  free: 0,
  /** Get; the data goes to the request's buffer. */
  get: 1,
  /** PutFullData. */
  put: 2,
  /** PutPartialData of a part of one word. */
  putPartial: 3,
  /** Get of a word of which a part will be overwritten, for peers without PutPartialData. */
  mergeGet: 4,
  /** PutFullData of the merged word. */
  mergePut: 5,
} as const;
export type AccessKind = (typeof AccessKind)[keyof typeof AccessKind];

/** One TileLink operation in flight: a part of a request. Belongs to the table. */
export class Access {
  readonly index: number;
  kind: AccessKind = AccessKind.free;
  /** TileLink source of the message now in flight. */
  source = 0;
  /** Undefined if the request was given up: the answer is still awaited, but goes nowhere. */
  request: MemoryRequest | undefined = undefined;
  lock: RangeLock<MemoryRequest> | undefined = undefined;
  /** Part of the request: bytes `start` .. `start + length - 1` of it. */
  start = 0;
  length = 0;
  sizeLog2 = 0;
  /** Where it goes, aligned to its size. */
  addressHigh = 0;
  addressLow = 0;
  /** Byte of the word at which a partial access begins. */
  lane = 0;
  /** Frame that carries the message. */
  frameNumber = 0;
  sentAt: Micros = 0;
  /** Times that it was sent again under a new source. */
  reissues = 0;
  /** Waits in the queue of accesses to be sent. */
  isQueued = false;

  constructor(index: number) {
    this.index = index;
  }
}

/**
 * The accesses in flight, one for each slot, and their source identifiers. A source is the slot's
 * index below a count of the slot's uses, so an answer finds its access without search and a late
 * answer to an earlier use is recognised: 2^16 uses of the slot lie between two equal sources, and
 * slots are reused oldest first.
 */
export class AccessTable {
  readonly accesses: readonly Access[];
  /** A word for each slot, for merging. */
  readonly scratch: ByteRegion;
  readonly #indexBits: number;
  readonly #uses: Uint32Array;
  readonly #free: Int32Array;
  #freeHead = 0;
  #freeCount: number;

  /**
   * @param capacity     accesses in flight at most, a power of two up to 1024
   * @param firstSource  where counting of uses begins; random on real wires, so that a restarted
   *                     initiator does not take answers to its predecessor for its own
   */
  constructor(capacity: number, firstSource: number) {
    assert(isPowerOfTwo(capacity) && capacity <= 1024, 'a power of two of accesses');
    this.#indexBits = log2Exact(capacity);
    this.accesses = Array.from({ length: capacity }, (_, index) => new Access(index));
    this.scratch = ByteRegion.allocate(capacity * 8);
    this.#uses = new Uint32Array(capacity).fill(firstSource);
    this.#free = Int32Array.from({ length: capacity }, (_, index) => index);
    this.#freeCount = capacity;
  }

  get capacity(): number {
    return this.accesses.length;
  }

  get inFlight(): number {
    return this.capacity - this.#freeCount;
  }

  /** The access that was free longest, or undefined if all are in flight. */
  take(): Access | undefined {
    if (this.#freeCount === 0) return undefined;
    const access = this.accesses[this.#free[this.#freeHead] as number] as Access;
    this.#freeHead = (this.#freeHead + 1) & (this.capacity - 1);
    this.#freeCount--;
    access.reissues = 0;
    return access;
  }

  /** The access that was taken last was not used: it is the next one again. */
  putBack(access: Access): void {
    access.kind = AccessKind.free;
    access.request = undefined;
    access.lock = undefined;
    this.#freeHead = (this.#freeHead - 1) & (this.capacity - 1);
    this.#free[this.#freeHead] = access.index;
    this.#freeCount++;
  }

  /** Gives the access a source that was not used for long. */
  renewSource(access: Access): void {
    const uses = (this.#uses[access.index] as number) + 1;
    this.#uses[access.index] = uses;
    access.source = ((uses << this.#indexBits) | access.index) & MAX_IDENTIFIER;
  }

  /** The access that waits for an answer with this source, if there is one. */
  find(source: number): Access | undefined {
    const access = this.accesses[source & (this.capacity - 1)] as Access;
    const isAwaited = access.kind !== AccessKind.free && !access.isQueued;
    return isAwaited && access.source === source ? access : undefined;
  }

  /** The access is over. */
  give(access: Access): void {
    assert(access.kind !== AccessKind.free, 'the access was in flight');
    access.kind = AccessKind.free;
    access.request = undefined;
    access.lock = undefined;
    const tail = (this.#freeHead + this.#freeCount) & (this.capacity - 1);
    this.#free[tail] = access.index;
    this.#freeCount++;
  }
}
