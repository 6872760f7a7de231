/** What a client negotiated for its transmission phase. */
export interface SessionFeatures {
  /** Whether reads are answered by structured replies. */
  readonly structuredReplies: boolean;
  /** Whether BLOCK_STATUS may be asked, with the one context base:allocation. */
  readonly baseAllocation: boolean;
  /** Transmission flags as the client was told them. */
  readonly transmissionFlags: number;
}

/** A session that negotiated nothing. */
export function simpleSession(transmissionFlags: number): SessionFeatures {
  return { structuredReplies: false, baseAllocation: false, transmissionFlags };
}

/** Identifier of base:allocation in BLOCK_STATUS replies. Nonzero; 0 stands for "not selected". */
export const BASE_ALLOCATION_ID = 1;
