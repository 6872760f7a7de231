import { MILLISECOND, SECOND, type Micros } from '../units.ts';

/**
 * Every habit in which peers differ, as data. The engine obeys the fields and never asks who the
 * peer is.
 */
export interface PeerProfile {
  readonly name: string;
  /** One line for people. */
  readonly description: string;
  /** Largest Get and Put, log2 bytes. */
  readonly maxGetLog2: number;
  readonly maxPutLog2: number;
  /** Serves PutPartialData; otherwise parts of a word are read, merged and written back. */
  readonly hasPutPartial: boolean;
  /** Most messages in one frame to it, 1 .. 64. */
  readonly messagesPerFrame: number;
  /** Largest TLoE part of a frame it can take (header, flits and mask), bytes. */
  readonly maxTloeBytes: number;
  /**
   * A gap in its numbers that is still there after so long stays: what follows is taken. 0: it
   * never resends, a gap is not even reported. Infinity: it always resends.
   */
  readonly gapMicros: Micros;
  /**
   * What the frames of its opening grant, by number, if it never resends them: channel and log2 of
   * the flits. Where one is lost for good this is what it has granted.
   */
  readonly lostGrants: readonly string[];
  /**
   * An Open while it holds a connection starts that anew. Otherwise it takes it for a repetition, or
   * nobody knows: a second connection is to be had only after the first has ended at both ends.
   */
  readonly startsAnewOnOpen: boolean;
  /** Drops duplicates: it is safe to resend frames to it. Otherwise only requests are repeated. */
  readonly dropsDuplicates: boolean;
  /** Acknowledges no repeated frame: only a new one makes it say where it is. */
  readonly isMuteOnDuplicates: boolean;
  /** Reports a gap by saying its last acknowledgement again, never by a NAK. */
  readonly repeatsAcksAtGaps: boolean;
  /** Acknowledges the number that an AckOnly shows, before there is a frame with it. */
  readonly acknowledgesUnsent: boolean;
  /**
   * Knows an answer by the acknowledgement of the frame that carried the request and by nothing
   * else: each answer has a frame of its own that never changes, and an empty frame is answered by
   * an empty one.
   */
  readonly pinsAcknowledgements: boolean;
  /** Returns exactly what is owed on channel A: its grants are the limit. */
  readonly returnsCredits: boolean;
  /** An unanswered request is repeated after so long, if not before. */
  readonly requestTimeoutMicros: Micros;
  /** Acknowledge at the latest after so many frames, and after so long. */
  readonly ackEveryFrames: number;
  readonly ackDelayMicros: Micros;
}

/** The opening of the C endpoint, and of its master. */
const ETRI_GRANTS = ['A10', 'B10', 'C10', 'D10', 'E10'];

/** Longer than any known peer takes to resend, three times over. */
const GAP_MICROS: Micros = 350 * MILLISECOND;

const generic: PeerProfile = {
  name: 'generic',
  description: 'any peer that keeps to OmniXtend 1.0.3 and the 1.1 proposal',
  maxGetLog2: 10,
  maxPutLog2: 10,
  hasPutPartial: false,
  messagesPerFrame: 32,
  maxTloeBytes: 9_000,
  gapMicros: 2 * SECOND,
  lostGrants: [],
  startsAnewOnOpen: false,
  dropsDuplicates: true,
  isMuteOnDuplicates: false,
  repeatsAcksAtGaps: false,
  acknowledgesUnsent: false,
  pinsAcknowledgements: false,
  returnsCredits: true,
  requestTimeoutMicros: Infinity,
  ackEveryFrames: 2,
  ackDelayMicros: MILLISECOND,
};

/** The known responders, by name. */
export const PEER_PROFILES: Readonly<Record<PeerProfileName, PeerProfile>> = {
  generic,
  oxmem: {
    ...generic,
    name: 'oxmem',
    description: "this project's own endpoint",
    maxGetLog2: 12,
    maxPutLog2: 12,
    hasPutPartial: true,
    gapMicros: Infinity,
    startsAnewOnOpen: true,
    ackEveryFrames: 16,
  },
  memnode: {
    ...generic,
    name: 'memnode',
    description: 'the C memory node: no retransmission, runs duplicates again, leaks credits',
    gapMicros: 0,
    startsAnewOnOpen: true,
    dropsDuplicates: false,
    returnsCredits: false,
    requestTimeoutMicros: 250 * MILLISECOND,
  },
  wdhw: {
    ...generic,
    name: 'wdhw',
    description: 'the hardware endpoint in Bluespec',
    hasPutPartial: true,
    gapMicros: GAP_MICROS,
    isMuteOnDuplicates: true,
  },
  etri: {
    ...generic,
    name: 'etri',
    description: 'the C endpoint with a window of four frames and 542-byte frames',
    maxGetLog2: 5,
    maxPutLog2: 8,
    messagesPerFrame: 16,
    maxTloeBytes: 528,
    gapMicros: GAP_MICROS,
    lostGrants: ETRI_GRANTS,
    repeatsAcksAtGaps: true,
  },
};

/** Names of the known endpoints. */
export type PeerProfileName = 'generic' | 'oxmem' | 'memnode' | 'wdhw' | 'etri';

/** The known initiators, by name. Sizes are theirs to choose. */
export const INITIATOR_PROFILES: Readonly<Record<InitiatorProfileName, PeerProfile>> = {
  generic,
  nbd: {
    ...generic,
    name: 'nbd',
    description: 'the C block driver: neither order nor resending, repeats whole requests',
    gapMicros: 0,
    dropsDuplicates: false,
    acknowledgesUnsent: true,
    returnsCredits: false,
  },
  fuse: {
    ...generic,
    name: 'fuse',
    description: 'the C file system: knows answers by their acknowledgement, repeats nothing',
    messagesPerFrame: 1,
    gapMicros: 0,
    acknowledgesUnsent: true,
    pinsAcknowledgements: true,
    returnsCredits: false,
  },
  wdrs: {
    ...generic,
    name: 'wdrs',
    description: 'the requester in Rust: takes the number in an AckOnly for received',
    gapMicros: GAP_MICROS,
    acknowledgesUnsent: true,
  },
  'etri-master': {
    ...generic,
    name: 'etri-master',
    description: 'the C master with a window of four frames and 542-byte frames',
    messagesPerFrame: 1,
    maxTloeBytes: 528,
    gapMicros: GAP_MICROS,
    lostGrants: ETRI_GRANTS,
    repeatsAcksAtGaps: true,
    ackEveryFrames: 1,
  },
};

/** Names of the known initiators. */
export type InitiatorProfileName = 'generic' | 'nbd' | 'fuse' | 'wdrs' | 'etri-master';
