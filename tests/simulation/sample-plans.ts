import { MILLISECOND, SECOND, type Micros } from '@oxmem/tloe-protocol';
import { Prng, directionFaults, type DirectionFaults } from '@oxmem/tloe-protocol/testing';
import type { ClientPlan, Happening, Operation, SimulationPlan } from './plan.ts';

/** How a sample differs from a quiet run with this project's own endpoint. */
export interface SampleOptions {
  readonly peer?: SimulationPlan['endpoint']['peer'];
  readonly habits?: SimulationPlan['endpoint']['habits'];
  readonly operations?: number;
  /** Longest pause before an operation. */
  readonly pauseMicros?: Micros;
  readonly happenings?: readonly Happening[];
  /** On frames of the driver, and of the endpoint. */
  readonly wire?: readonly [DirectionFaults, DirectionFaults];
  readonly endpoint?: Partial<SimulationPlan['endpoint']>;
  readonly driver?: Partial<SimulationPlan['drivers'][number]>;
  readonly faultsEndAt?: Micros;
  readonly mustSucceed?: boolean;
}

const SLICE_BYTES = 8192;

/** One driver with one busy client, and nothing that goes wrong but what is asked for. */
export function samplePlan(seed: number, options: SampleOptions = {}): SimulationPlan {
  const prng = new Prng(seed).fork('sample');
  const { peer = 'oxmem' } = options;
  const [forward, backward] = options.wire ?? [directionFaults({}), directionFaults({})];
  return {
    seed,
    endpoint: {
      peer,
      habits: options.habits ?? [],
      base: { high: 0, low: 0 },
      dataOrder: peer === 'oxmem' || peer === 'memnode' ? 'raw' : 'spec',
      mtuBytes: 1500,
      firstSequenceNumber: 0,
      windowFrames: 64,
      grantExponents: [0, 12, 8, 8, 12, 8],
      maxAccessBytes: 4096,
      receiveFrames: 1000,
      faults: backward,
      denyChance: 0,
      spoilChance: 0,
      ...options.endpoint,
    },
    drivers: [
      {
        sizeBytes: SLICE_BYTES,
        window: prng.pick([4, 64]),
        windowFrames: 64,
        grantExponents: [0, 8, 8, 8, 14, 8],
        maxAccessLog2: 10,
        requestTimeoutMicros: SECOND,
        whenLost: 'fail',
        receiveFrames: 1000,
        rateBytesPerSecond: 1.25e9,
        queueFrames: 1000,
        faults: forward,
        clients: [busyClient(prng, options)],
        ...options.driver,
      },
    ],
    happenings: options.happenings ?? [],
    faultsEndAt: options.faultsEndAt ?? 30 * SECOND,
    corruption: 'none',
    mustSucceed: options.mustSucceed ?? (options.happenings ?? []).length === 0,
  };
}

function busyClient(
  prng: Prng,
  { operations = 40, pauseMicros = 1000 }: SampleOptions,
): ClientPlan {
  return {
    depth: 4,
    hasStructuredReplies: true,
    operations: Array.from({ length: operations }, (): Operation => {
      const length = prng.between(1, prng.pick([8, 300, 3000]));
      return {
        kind: prng.pick(['read', 'write']),
        offset: prng.below(SLICE_BYTES - length + 1),
        length,
        pauseMicros: prng.below(pauseMicros + 1),
      };
    }),
  };
}

/** Moments at random within `within`. */
export function momentsOf(seed: number, count: number, within: Micros): Micros[] {
  const prng = new Prng(seed).fork('moments');
  return Array.from({ length: count }, () => prng.below(within)).sort((a, b) => a - b);
}

/** A wire that is cut, both ways, several times for up to so long. */
export function cuts(prng: Prng, count: number, longest: Micros): DirectionFaults {
  const script: DirectionFaults['script'][number][] = [];
  let from = prng.below(50 * MILLISECOND);
  for (let i = 0; i < count; i++) {
    const until = from + 1 + prng.below(longest);
    script.push({ kind: 'cut', from, until });
    from = until + prng.below(100 * MILLISECOND);
  }
  return directionFaults({ script });
}
