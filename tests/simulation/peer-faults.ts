import { MILLISECOND, SECOND, type Micros } from '@oxmem/tloe-protocol';
import { directionFaults, type DirectionFaults, type Prng } from '@oxmem/tloe-protocol/testing';
import { cuts, type SampleOptions } from './sample-plans.ts';

/** One kind of trouble, to be met by every persona. */
export interface PeerFault {
  readonly name: string;
  /** What it does to a sample. */
  readonly sample: (prng: Prng) => SampleOptions;
  /** Whether frames overtake each other, which some endpoints suffer from whatever a driver does. */
  readonly reorders?: boolean;
  /** Whether operations may fail; otherwise all must succeed. */
  readonly mayFail: boolean;
  /** The longest that an operation may take, if it is not what is promised of all. */
  readonly promisedMicros?: Micros;
}

/** The same on both directions. */
const both =
  (changes: Partial<DirectionFaults>): PeerFault['sample'] =>
  () => ({ wire: [directionFaults(changes), directionFaults(changes)] });

/** Bits of the EtherType: whoever gets such a frame takes it for something else. */
const NOTICED_BITS = [96, 101, 106, 111];

/** Longer pauses: slow troubles shall meet some load. */
const SLOW = { pauseMicros: 80 * MILLISECOND };

/** All kinds of trouble, one row each. */
export const PEER_FAULTS: readonly PeerFault[] = [
  { name: 'none', sample: () => ({}), mayFail: false },
  { name: 'loss 5 %', sample: both({ loss: 0.05 }), mayFail: false },
  { name: 'loss 20 %', sample: both({ loss: 0.2 }), mayFail: true },
  {
    name: 'loss of requests',
    sample: () => ({ wire: [directionFaults({ loss: 0.1 }), directionFaults({})] }),
    mayFail: false,
  },
  {
    name: 'loss of answers',
    sample: () => ({ wire: [directionFaults({}), directionFaults({ loss: 0.1 })] }),
    mayFail: false,
  },
  { name: 'duplication', sample: both({ duplicate: 0.2 }), mayFail: false },
  {
    name: 'reordering',
    sample: both({ reorder: 0.2, reorderDepthFrames: 4 }),
    reorders: true,
    mayFail: false,
  },
  {
    name: 'corruption that shows',
    sample: both({ corrupt: 0.1, corruptBits: NOTICED_BITS }),
    mayFail: false,
  },
  {
    name: 'delay and jitter',
    sample: both({ delayMicros: 2_000, jitterMicros: 5_000 }),
    mayFail: false,
  },
  {
    name: 'bursts',
    sample: both({
      duplicate: 0.02,
      reorder: 0.05,
      reorderDepthFrames: 3,
      bursts: { enter: 0.01, leave: 0.1, loss: 0.9 },
    }),
    reorders: true,
    mayFail: true,
  },
  {
    name: 'short outages',
    sample: (prng) => ({
      ...SLOW,
      wire: [cuts(prng, 5, 400 * MILLISECOND), cuts(prng, 5, 400 * MILLISECOND)],
    }),
    mayFail: false,
  },
  {
    name: 'a long outage',
    sample: () => {
      const cut = { kind: 'cut', from: 200 * MILLISECOND, until: 20 * SECOND } as const;
      const faults = directionFaults({ script: [cut] });
      return { ...SLOW, wire: [faults, faults] };
    },
    mayFail: true,
  },
  {
    name: 'stalls',
    sample: (prng) => ({
      ...SLOW,
      happenings: [0, 1, 2, 3].map((i) => ({
        kind: 'endpointPause',
        at: (i * 300 + prng.below(200)) * MILLISECOND,
        forMicros: 150 * MILLISECOND,
      })),
    }),
    mayFail: false,
  },
  { name: 'denials', sample: () => ({ endpoint: { denyChance: 0.05 } }), mayFail: true },
  {
    name: 'answers marked corrupt',
    sample: () => ({ endpoint: { spoilChance: 0.05 } }),
    mayFail: true,
  },
  { name: 'restart with memory', sample: (prng) => restart(prng, true), mayFail: true },
  { name: 'restart without memory', sample: (prng) => restart(prng, false), mayFail: true },
];

function restart(prng: Prng, keepsMemory: boolean): SampleOptions {
  const at = prng.below(200 * MILLISECOND);
  const forMicros = prng.below(50 * MILLISECOND);
  return { ...SLOW, happenings: [{ kind: 'endpointRestart', at, forMicros, keepsMemory }] };
}
