import type { RemoteAddress } from '../remote-address.ts';
import { AccessKind, type Access } from './access-table.ts';
import { RequestKind, type MemoryRequest } from './memory-request.ts';
import { WORD_BYTES, WORD_LOG2, nextAccessLog2, partialWordBytes } from './split.ts';

/** What accesses may look like on this connection. */
export interface AccessLimits {
  /** Address of byte 0 of the memory. */
  readonly base: RemoteAddress;
  /** Largest Get and Put, log2 bytes. */
  readonly maxGetLog2: number;
  readonly maxPutLog2: number;
  /** Parts of a word are written with a mask; otherwise the word is read, merged, written. */
  readonly hasPutPartial: boolean;
}

/** Fills in what the next part of the request is: kind, place and size. */
export function planAccess(access: Access, request: MemoryRequest, limits: AccessLimits): void {
  const { base } = limits;
  const remaining = request.length - request.issued;
  const sum = base.low + request.offset + request.issued;
  const low = sum >>> 0;
  const isRead = request.kind === RequestKind.read;
  const partial = partialWordBytes(low, remaining);
  access.start = request.issued;
  access.lane = low & (WORD_BYTES - 1);
  access.addressHigh = (base.high + Math.floor(sum / 2 ** 32)) >>> 0;
  access.addressLow = (low - access.lane) >>> 0;
  if (partial > 0) {
    access.sizeLog2 = WORD_LOG2;
    access.length = partial;
    if (isRead) access.kind = AccessKind.get;
    else access.kind = limits.hasPutPartial ? AccessKind.putPartial : AccessKind.mergeGet;
    return;
  }
  access.kind = isRead ? AccessKind.get : AccessKind.put;
  const max = isRead ? limits.maxGetLog2 : limits.maxPutLog2;
  access.sizeLog2 = nextAccessLog2(low, remaining, max);
  access.length = 1 << access.sizeLog2;
}
