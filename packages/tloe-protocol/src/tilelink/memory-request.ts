import type { ByteRegion } from '../byte-region.ts';
import type { Micros } from '../units.ts';
import type { RangeLock } from './range-lock.ts';

/** What a request does with its range of remote memory. */
export const RequestKind = {
  /** Remote memory to buffer. */
  read: 0,
  /** Buffer to remote memory. */
  write: 1,
  /** Zeros to remote memory; no buffer. */
  zero: 2,
} as const;
export type RequestKind = (typeof RequestKind)[keyof typeof RequestKind];

/** How a request ended. */
export const MemoryStatus = {
  ok: 0,
  /** The endpoint refused a part. */
  denied: 1,
  /** The endpoint says that the data of a part is damaged. */
  corrupt: 2,
  /** An answer that does not fit its request. */
  malformed: 3,
  /** A part was not answered in time. */
  timedOut: 4,
  /** The endpoint is gone; the fate of unanswered parts is unknown. */
  lost: 5,
  /** The connection was closed first. */
  closed: 6,
  /** Nothing proves that the endpoint still holds what was written; for owners of connections. */
  unproven: 7,
} as const;
export type MemoryStatus = (typeof MemoryStatus)[keyof typeof MemoryStatus];

/** Name of each status, indexed by its number. */
export const MEMORY_STATUS_NAMES: readonly string[] = Object.keys(MemoryStatus);

/** Is told when a request is done. */
export interface RequestOwner {
  /** Called once for each submitted request; the request and its buffer are the owner's again. */
  requestDone(request: MemoryRequest, status: MemoryStatus): void;
}

/**
 * A read, write or zeroing of any byte range of remote memory. Owners keep pools of them: fill in
 * the first group of fields, submit, and leave the object and its buffer alone until `requestDone`.
 */
export class MemoryRequest {
  kind: RequestKind = RequestKind.read;
  /** First byte, counted from the base address of the memory. */
  offset = 0;
  /** Bytes, 1 and up. */
  length = 0;
  /** Where the data goes to or comes from; unused by `zero`. */
  buffer: ByteRegion | undefined = undefined;
  /** Byte of `buffer` that stands for `offset`. */
  bufferOffset = 0;
  owner: RequestOwner;
  /** These two are for the owner's own use, and nobody else's. */
  tag: unknown = undefined;
  tagMicros: Micros = 0;

  /** Below: the initiator's, from submission to completion. */
  status: MemoryStatus = MemoryStatus.ok;
  /** Bytes for which an access was issued. */
  issued = 0;
  /** Accesses issued and not answered. */
  pendingParts = 0;
  /** When something last happened to it. */
  touchedAt: Micros = 0;
  lock: RangeLock<MemoryRequest> | undefined = undefined;
  isLive = false;
  /** Links of the initiator's lists. */
  previousLive: MemoryRequest | undefined = undefined;
  nextLive: MemoryRequest | undefined = undefined;
  nextReady: MemoryRequest | undefined = undefined;

  constructor(owner: RequestOwner) {
    this.owner = owner;
  }
}
