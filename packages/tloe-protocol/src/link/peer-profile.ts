import { MILLISECOND, type Micros } from '../units.ts';

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
  /** Keeps what it sent and resends it: a gap is worth a NAK and a wait. Otherwise skip it. */
  readonly resendsLost: boolean;
  /** Drops duplicates: it is safe to resend frames to it. Otherwise only requests are repeated. */
  readonly dropsDuplicates: boolean;
  /** Returns exactly what is owed on channel A: its grants are the limit. */
  readonly returnsCredits: boolean;
  /** Acknowledge at the latest after so many frames, and after so long. */
  readonly ackEveryFrames: number;
  readonly ackDelayMicros: Micros;
}

const generic: PeerProfile = {
  name: 'generic',
  description: 'any endpoint that keeps to OmniXtend 1.0.3 and the 1.1 proposal',
  maxGetLog2: 10,
  maxPutLog2: 10,
  hasPutPartial: false,
  messagesPerFrame: 32,
  maxTloeBytes: 9_000,
  resendsLost: true,
  dropsDuplicates: true,
  returnsCredits: true,
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
    ackEveryFrames: 16,
  },
  memnode: {
    ...generic,
    name: 'memnode',
    description: 'the C memory node: no retransmission, runs duplicates again, leaks credits',
    resendsLost: false,
    dropsDuplicates: false,
    returnsCredits: false,
  },
  wdhw: {
    ...generic,
    name: 'wdhw',
    description: 'the hardware endpoint in Bluespec',
    hasPutPartial: true,
  },
  etri: {
    ...generic,
    name: 'etri',
    description: 'the C endpoint with a window of four frames and 542-byte frames',
    maxGetLog2: 5,
    maxPutLog2: 8,
    messagesPerFrame: 16,
    maxTloeBytes: 528,
  },
};

export type PeerProfileName = 'generic' | 'oxmem' | 'memnode' | 'wdhw' | 'etri';

/**
 * What a responder grants in answer to an opening, as a row of exponents for channels A to E;
 * `-` is none, `*` any of at least 8.
 */
const FINGERPRINTS: readonly (readonly [string, PeerProfileName])[] = [
  ['10 - - - -', 'memnode'],
  ['10 - 10 - 10', 'wdhw'],
  ['10 10 10 10 10', 'etri'],
  ['* * * * *', 'oxmem'],
];

/**
 * Recognises a responder by the credits that it grants in answer to our opening.
 *
 * @param grants  exponents by channel number, -1 where none was granted
 */
export function recognisePeer(grants: readonly number[]): PeerProfile {
  const exponents = grants.slice(1);
  const row = FINGERPRINTS.find(([pattern]) =>
    pattern.split(' ').every((field, i) => isMatch(field, exponents[i] ?? -1)),
  );
  return PEER_PROFILES[row?.[1] ?? 'generic'];
}

function isMatch(field: string, exponent: number): boolean {
  if (field === '-') return exponent < 0;
  return field === '*' ? exponent >= 8 : exponent === Number(field);
}
