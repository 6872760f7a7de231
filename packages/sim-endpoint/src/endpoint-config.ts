import {
  DEFAULT_ETHER_TYPE,
  DEFAULT_RESPONDER_CONFIG,
  MILLISECOND,
  SECOND,
  assert,
  type Micros,
  type PeerProfile,
  type ResponderConfig,
  type RetransmitLimits,
} from '@oxmem/tloe-protocol';

/** Settings of an endpoint. `endpointConfig` fills in what is not given. */
export interface EndpointConfig {
  /** How memory is served; each connection has a responder of this kind. */
  readonly responder: ResponderConfig;
  /** Initiators served at once, 1 .. 1024. */
  readonly maxConnections: number;
  /** A connection that was silent for so long gives way when another initiator comes. */
  readonly reclaimAfterMicros: Micros;
  /** How long our Close is repeated for a peer that does not acknowledge it. */
  readonly lingerMicros: Micros;
  /**
   * Receive buffer of each channel, log2 flits, by channel number. At least 8, and not 10: other
   * devices grant 2^10, and drivers tell endpoints apart by that.
   */
  readonly grantExponents: readonly number[];
  /** Frames in flight to each initiator, a power of two. */
  readonly windowFrames: number;
  /**
   * When an unacknowledged frame is resent. Slower than the link's default: an initiator may take its
   * time, and the loss of anything but the last frame is reported by a NAK anyway.
   */
  readonly retransmit: RetransmitLimits;
  /** Habits of the initiators, the same for all of them; undefined: each is recognised. */
  readonly profile: PeerProfile | undefined;
  readonly etherType: number;
  /** First number of our frames and of the Open that we take, for tests of the wrap. */
  readonly firstSequenceNumber: number;
}

/** A complete configuration from what differs from the defaults. */
export function endpointConfig(
  given: Partial<Omit<EndpointConfig, 'responder'>> & {
    readonly responder?: Partial<ResponderConfig>;
  } = {},
): EndpointConfig {
  const responder = { ...DEFAULT_RESPONDER_CONFIG, ...given.responder };
  const config = { ...DEFAULTS, ...given, responder };
  const { grantExponents, maxConnections } = config;
  assert(maxConnections >= 1 && maxConnections <= 1024, 'connections number 1 .. 1024');
  assert(
    grantExponents.slice(1).every((exponent) => exponent >= 8 && exponent !== 10),
    'grants are at least 2^8 and not 2^10 flits',
  );
  return config;
}

const DEFAULTS: Omit<EndpointConfig, 'responder'> = {
  maxConnections: 8,
  reclaimAfterMicros: 300 * SECOND,
  lingerMicros: 2 * SECOND,
  grantExponents: [0, 15, 12, 12, 19, 12],
  windowFrames: 256,
  retransmit: {
    initialMicros: 100 * MILLISECOND,
    minimumMicros: 30 * MILLISECOND,
    maximumMicros: 1_000 * MILLISECOND,
  },
  profile: undefined,
  etherType: DEFAULT_ETHER_TYPE,
  firstSequenceNumber: 0,
};
