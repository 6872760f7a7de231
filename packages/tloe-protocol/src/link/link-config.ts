import { MILLISECOND, SECOND, type Micros } from '../units.ts';
import { DEFAULT_ETHER_TYPE } from '../wire/ethernet.ts';
import { MINIMUM_FLITS } from '../wire/frame-writer.ts';
import { PEER_PROFILES, type PeerProfile } from './peer-profile.ts';
import { DEFAULT_RETRANSMIT_LIMITS, type RetransmitLimits } from './round-trip.ts';

/** Settings of one link. `linkConfig` fills in what is not given. */
export interface LinkConfig {
  /** `initiator` opens; `responder` waits for an Open. The protocol is otherwise symmetric. */
  readonly role: 'initiator' | 'responder';
  readonly ownMac: Uint8Array;
  readonly peerMac: Uint8Array;
  readonly etherType: number;
  /** Largest payload behind the MAC header. */
  readonly mtuBytes: number;
  /** Frames in flight at most; a power of two. Also the number of transmit slots. */
  readonly windowFrames: number;
  /** Receive buffer of each channel, log2 flits, indexed by channel number ([0] unused). */
  readonly grantExponents: readonly number[];
  /** Flits to which frames are padded. */
  readonly minimumFlits: number;
  readonly retransmit: RetransmitLimits;
  /** Credits wait this long for a frame to ride on. */
  readonly creditDelayMicros: Micros;
  /** A gap is reported again if it is still there after so long. */
  readonly nakRepeatMicros: Micros;
  /** No progress for so long: the peer counts as lost. */
  readonly lostAfterMicros: Micros;
  /** Time-outs in a row after which nothing is resent until the peer speaks; Infinity: never. */
  readonly resendPasses: number;
  /** A peer that is not recognised yet, or has not granted all, is given so long, a few times. */
  readonly settleMicros: Micros;
  /** Close is waited for this long. */
  readonly closeTimeoutMicros: Micros;
  /** An Open on a live connection is a restart only if the peer was silent for so long. */
  readonly restartQuietMicros: Micros;
  /** Habits of the peer until it is recognised, or for good if it is known. */
  readonly profile: PeerProfile;
  /** Whether `profile` is the peer's, so that nobody needs to recognise it. */
  readonly isPeerKnown: boolean;
  /** First frame number, for tests of the wrap; 0 on real wires. */
  readonly firstSequenceNumber: number;
}

type Required = 'role' | 'ownMac' | 'peerMac' | 'mtuBytes';

/** A complete configuration from the parts that have no default and those that should differ. */
export function linkConfig(given: Pick<LinkConfig, Required> & Partial<LinkConfig>): LinkConfig {
  return { ...DEFAULTS, ...given };
}

const DEFAULTS: Omit<LinkConfig, Required> = {
  etherType: DEFAULT_ETHER_TYPE,
  windowFrames: 256,
  grantExponents: [0, 15, 12, 12, 19, 12],
  minimumFlits: MINIMUM_FLITS,
  retransmit: DEFAULT_RETRANSMIT_LIMITS,
  creditDelayMicros: 5 * MILLISECOND,
  nakRepeatMicros: 10 * MILLISECOND,
  lostAfterMicros: 5 * SECOND,
  resendPasses: Infinity,
  settleMicros: 150 * MILLISECOND,
  closeTimeoutMicros: 500 * MILLISECOND,
  restartQuietMicros: 100 * MILLISECOND,
  profile: PEER_PROFILES.generic,
  isPeerKnown: false,
  firstSequenceNumber: 0,
};
