import type { BlockRequest } from '@oxmem/nbd-protocol';
import {
  MemoryRequest,
  MemoryStatus,
  RequestKind,
  assert,
  type RequestOwner,
} from '@oxmem/tloe-protocol';

import type { MemoryAccess } from './memory-access.ts';

/** Bytes zeroed by one piece; pieces end at multiples of it. */
export const ZERO_PIECE_BYTES: number = 256 * 1024;
/** Pieces in flight, of all requests together. */
export const ZERO_PIECES = 4;

/**
 * Long WriteZeroes requests, cut into pieces of which a few are in flight, the requests taking
 * turns: 4 GiB of zeros hold up nobody else's reads and writes. Allocates nothing per request.
 *
 * While a request is here, its `backendTag` counts the bytes for which a piece was issued,
 * `backendCount` its pieces in flight, and `backendData` is the status of the first that failed.
 */
export class ZeroFill implements RequestOwner {
  readonly #memory: MemoryAccess;
  readonly #onDone: (block: BlockRequest, status: MemoryStatus) => void;
  readonly #free: MemoryRequest[] = [];
  /** Requests with something left to issue, a ring. */
  readonly #waiting: (BlockRequest | undefined)[];
  #first = 0;
  #count = 0;
  #isIssuing = false;

  /**
   * @param capacity  requests that can be here at a time
   * @param onDone    told once for each request; may submit others
   */
  constructor(
    memory: MemoryAccess,
    capacity: number,
    onDone: (block: BlockRequest, status: MemoryStatus) => void,
  ) {
    this.#memory = memory;
    this.#onDone = onDone;
    this.#waiting = Array.from<BlockRequest | undefined>({ length: capacity }).fill(undefined);
    for (let i = 0; i < ZERO_PIECES; i++) {
      const piece = new MemoryRequest(this);
      piece.kind = RequestKind.zero;
      this.#free.push(piece);
    }
  }

  /** Whether a request is here. */
  get isBusy(): boolean {
    return this.#count > 0 || this.#free.length < ZERO_PIECES;
  }

  /** Takes a request whose backend fields are as at its submission. */
  submit(block: BlockRequest): void {
    this.#append(block);
    this.#issue();
  }

  requestDone(piece: MemoryRequest, status: MemoryStatus): void {
    if (status !== MemoryStatus.ok && this.#memory.keeps?.(piece, status) === true) return;
    const block = piece.tag as BlockRequest;
    piece.tag = undefined;
    this.#free.push(piece);
    block.backendCount--;
    if (status !== MemoryStatus.ok && block.backendData === undefined) block.backendData = status;
    if (block.backendCount === 0 && block.backendTag === block.length) this.#finish(block);
    this.#issue();
    this.#memory.kick();
  }

  /** Gives the free pieces to the requests in turn. Pieces may fail inside `submit`. */
  #issue(): void {
    if (this.#isIssuing) return;
    this.#isIssuing = true;
    while (this.#count > 0 && this.#free.length > 0) {
      const block = this.#takeFirst();
      // Whoever asked for 4 GiB of zeros and left shall not keep the wire busy for a minute.
      if (block.isAbandoned) block.backendData ??= MemoryStatus.closed;
      if (block.backendData === undefined) this.#issuePiece(block);
      else {
        // It failed: nothing more is issued, and the last piece in flight ends the request.
        block.backendTag = block.length;
        if (block.backendCount === 0) this.#finish(block);
      }
    }
    this.#isIssuing = false;
  }

  #issuePiece(block: BlockRequest): void {
    const piece = this.#free.pop() as MemoryRequest;
    const start = block.offset + block.backendTag;
    const toBoundary = ZERO_PIECE_BYTES - (start % ZERO_PIECE_BYTES);
    piece.offset = start;
    piece.length = Math.min(toBoundary, block.length - block.backendTag);
    piece.tag = block;
    block.backendTag += piece.length;
    block.backendCount++;
    if (block.backendTag < block.length) this.#append(block);
    this.#memory.submit(piece);
  }

  #finish(block: BlockRequest): void {
    this.#onDone(block, (block.backendData as MemoryStatus | undefined) ?? MemoryStatus.ok);
  }

  #append(block: BlockRequest): void {
    assert(this.#count < this.#waiting.length, 'no more zeroings than the device has room for');
    this.#waiting[(this.#first + this.#count) % this.#waiting.length] = block;
    this.#count++;
  }

  #takeFirst(): BlockRequest {
    const block = this.#waiting[this.#first] as BlockRequest;
    this.#waiting[this.#first] = undefined;
    this.#first = (this.#first + 1) % this.#waiting.length;
    this.#count--;
    return block;
  }
}
