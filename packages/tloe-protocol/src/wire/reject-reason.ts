/**
 * Every way in which a received frame can be unusable. A value, never an exception: a bad frame is
 * counted under its reason and dropped.
 */
export const RejectReason = {
  /** Nothing wrong. */
  none: 0,
  /** Fewer bytes than MAC header, TLoE header and frame mask. */
  tooShort: 1,
  /** More bytes than this end takes. */
  tooLong: 2,
  /** Another EtherType. */
  foreignEtherType: 3,
  /** Not addressed to this end. */
  foreignDestination: 4,
  /** From another MAC address than the peer's. */
  foreignSource: 5,
  /** Message type above 3. */
  unknownFrameType: 6,
  /** A virtual channel that this end does not serve. */
  unknownVc: 7,
  /** Channel 6 or 7, or an opcode that its channel lacks. */
  unknownMessage: 8,
  /** A word where no message is, that is not zero. */
  paddingNotZero: 9,
  /** A message longer than its frame. */
  messageTruncated: 10,
  /** A message that starts behind flit 64. */
  startTooLate: 11,
  /** The frame mask disagrees with where messages start. */
  maskMismatch: 12,
  /** Reserved bits set, in strict mode. */
  reservedBits: 13,
  /** No connection with the sender, and the frame does not open one. */
  notConnected: 14,
} as const;
export type RejectReason = (typeof RejectReason)[keyof typeof RejectReason];

/** Name of each reason, indexed by its number; the names of the counters. */
export const REJECT_REASON_NAMES: readonly string[] = Object.keys(RejectReason);

/**
 * Adds up counters of dropped frames, as hosts and links keep them, by the reasons' names; reasons
 * that never occurred are left out.
 */
export function rejectedByName(...counters: readonly Float64Array[]): Record<string, number> {
  const sums: Record<string, number> = {};
  REJECT_REASON_NAMES.forEach((name, reason) => {
    const count = counters.reduce((sum, each) => sum + (each[reason] as number), 0);
    if (reason !== RejectReason.none && count > 0) sums[name] = count;
  });
  return sums;
}
