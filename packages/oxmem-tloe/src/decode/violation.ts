import { RejectReason } from '@oxmem/tloe-protocol';

/** One way to break the specification. */
export interface ViolationKind {
  /** Where it stands; OX is OmniXtend 1.0.3, TL TileLink 1.8.0, 1.1 the proposal for the next. */
  readonly section: string;
  /** What the frame does, as the end of "the frame ...". */
  readonly means: string;
}

/** Code of a violation. */
export type Violation =
  | 'short-frame'
  | 'unknown-type'
  | 'reserved-bits'
  | 'unknown-message'
  | 'dirty-padding'
  | 'long-message'
  | 'late-start'
  | 'wrong-mask'
  | 'open-number'
  | 'ack-only-number'
  | 'ack-only-credit'
  | 'backward-ack'
  | 'acked-unsent'
  | 'credit-channel'
  | 'credit-overrun'
  | 'unaligned'
  | 'wrong-param'
  | 'stray-denied'
  | 'stray-corrupt'
  | 'denied-not-corrupt'
  | 'stray-domain'
  | 'source-in-use'
  | 'sink-in-use'
  | 'unasked-answer'
  | 'wrong-answer'
  | 'wrong-size';

/** Every violation that the decoder knows, by its code. */
export const VIOLATIONS: Readonly<Record<Violation, ViolationKind>> = {
  'short-frame': { section: 'OX §3', means: 'is shorter than header, mask and 46 bytes allow' },
  'unknown-type': { section: 'OX §3, 1.1', means: 'has a frame type above 3' },
  'reserved-bits': { section: 'OX §3', means: 'has reserved bits that are not zero' },
  'unknown-message': {
    section: 'OX §3.2',
    means: 'has a channel or an opcode that does not exist',
  },
  'dirty-padding': { section: 'OX §3.4', means: 'has padding that is not zero' },
  'long-message': { section: 'OX §3.2', means: 'ends before its last message does' },
  'late-start': { section: 'OX §3.4', means: 'has a message that starts behind flit 64' },
  'wrong-mask': { section: 'OX §3.4', means: 'has a mask that differs from its messages' },
  'open-number': { section: '1.1', means: 'opens a connection with another number than 0' },
  'ack-only-number': { section: '1.1', means: 'is an AckOnly without the next number' },
  'ack-only-credit': { section: '1.1', means: 'is an AckOnly with credits' },
  'backward-ack': { section: 'OX §4', means: 'acknowledges less than its sender did before' },
  'acked-unsent': { section: 'OX §4', means: 'was acknowledged before it was sent' },
  'credit-channel': { section: 'OX §3', means: 'gives credits of a channel that does not exist' },
  'credit-overrun': { section: 'OX §5', means: 'costs more credits than were given' },
  unaligned: { section: 'TL §4.6', means: 'has an address that is no multiple of the size' },
  'wrong-param': { section: 'TL table 8.3, §7', means: 'has a parameter that its opcode lacks' },
  'stray-denied': { section: 'TL §4.5', means: 'denies in a message that cannot deny' },
  'stray-corrupt': { section: 'TL §4.5', means: 'is corrupt without having data' },
  'denied-not-corrupt': { section: 'TL §4.5', means: 'denies with data that is not corrupt' },
  'stray-domain': { section: 'OX table 1', means: 'has a domain on channel B or C' },
  'source-in-use': { section: 'TL §5.4', means: 'has a source that waits for an answer already' },
  'sink-in-use': { section: 'TL §5.4', means: 'has a sink that waits for a GrantAck already' },
  'unasked-answer': { section: 'TL §5', means: 'answers what nobody asked' },
  'wrong-answer': { section: 'TL §5', means: 'answers with another opcode than the request wants' },
  'wrong-size': { section: 'TL §5', means: 'answers with another size than the request had' },
};

/** What a frame that no receiver takes has done; reasons that a capture cannot have are left out. */
export const VIOLATION_OF_REASON: Readonly<Partial<Record<RejectReason, Violation>>> = {
  [RejectReason.tooShort]: 'short-frame',
  [RejectReason.unknownFrameType]: 'unknown-type',
  [RejectReason.unknownMessage]: 'unknown-message',
  [RejectReason.paddingNotZero]: 'dirty-padding',
  [RejectReason.messageTruncated]: 'long-message',
  [RejectReason.startTooLate]: 'late-start',
  [RejectReason.maskMismatch]: 'wrong-mask',
  [RejectReason.reservedBits]: 'reserved-bits',
};
