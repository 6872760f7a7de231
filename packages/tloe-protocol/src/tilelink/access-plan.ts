import type { Link } from '../link/link.ts';
import type { RemoteAddress } from '../remote-address.ts';
import { Channel, dataFlits } from '../wire/channel.ts';
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

/**
 * The largest accesses that an open link carries: as wanted, as the peer serves them, as fit into a
 * frame, and into the receive buffer that each end has granted.
 */
export function accessLimits(
  wanted: { readonly base: RemoteAddress; readonly maxAccessLog2: number },
  link: Link,
): AccessLimits {
  const { profile, maxMessageFlits } = link;
  // Towards a peer that does not count credits no buffer is the limit.
  const granted = profile.returnsCredits ? link.creditsAvailable(Channel.A) : Infinity;
  const ownBuffer = 2 ** (link.config.grantExponents[Channel.D] as number);
  const fitting = (headFlits: number, bufferFlits: number): number => {
    const most = Math.min(maxMessageFlits, bufferFlits);
    let log2 = WORD_LOG2;
    while (log2 < wanted.maxAccessLog2 && headFlits + dataFlits(log2 + 1) <= most) log2++;
    return log2;
  };
  return {
    base: wanted.base,
    maxGetLog2: Math.min(profile.maxGetLog2, fitting(1, ownBuffer)),
    maxPutLog2: Math.min(profile.maxPutLog2, fitting(2, granted)),
    hasPutPartial: profile.hasPutPartial,
  };
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
