import { HABIT_FAULTS, type HabitFault } from '@oxmem/sim-endpoint';
import { MILLISECOND, floorLog2, type Micros } from '@oxmem/tloe-protocol';
import { Prng, directionFaults, type DirectionFaults } from '@oxmem/tloe-protocol/testing';
import type {
  ClientPlan,
  Corruption,
  DriverPlan,
  EndpointPlan,
  Happening,
  Operation,
  SimulationPlan,
} from './plan.ts';

/**
 * The plan of a seed. Each part is drawn from a sequence of its own, so that a change of one leaves
 * the others where they were.
 */
export function planOf(seed: number): SimulationPlan {
  const prng = new Prng(seed);
  const mood = moodOf(prng.fork('mood'));
  const endpoint = endpointOf(prng.fork('endpoint'), mood);
  const count = prng.fork('drivers').pick(endpoint.peer === 'etri' ? [1] : DRIVER_COUNTS);
  const faultsEndAt = prng.fork('end').between(100, 1500) * MILLISECOND;
  const drivers = Array.from({ length: count }, (_, index) =>
    driverOf(prng.fork(`driver ${index}`), endpoint, mood),
  );
  const happenings =
    mood.happenings === 0 ? [] : happeningsOf(prng.fork('happenings'), { mood, count });
  return {
    seed,
    endpoint,
    drivers,
    happenings,
    faultsEndAt,
    corruption: mood.corruption,
    mustSucceed: mood.isGentle && happenings.length === 0,
  };
}

/** What kind of run it is: everything at once would drown each single fault. */
interface Mood {
  /** Whether the faults are such that no operation has an excuse. */
  readonly isGentle: boolean;
  /** Most that happens to somebody. */
  readonly happenings: number;
  readonly corruption: Corruption;
  /** Which directions are troubled. */
  readonly isForwardBad: boolean;
  readonly isBackwardBad: boolean;
  /** Whether requests are denied or answers marked corrupt. */
  readonly hasTroubledMemory: boolean;
}

function moodOf(prng: Prng): Mood {
  const isGentle = prng.chance(0.45);
  const direction = prng.pick(['both', 'both', 'forward', 'backward', 'none'] as const);
  return {
    isGentle,
    happenings: isGentle || prng.chance(0.3) ? 0 : prng.between(1, 4),
    corruption: isGentle
      ? prng.pick(['none', 'none', 'none', 'harmless'])
      : prng.pick(['none', 'none', 'none', 'none', 'harmless', 'acknowledgements', 'any']),
    isForwardBad: direction === 'both' || direction === 'forward',
    isBackwardBad: direction === 'both' || direction === 'backward',
    hasTroubledMemory: !isGentle && prng.chance(0.3),
  };
}

function endpointOf(prng: Prng, mood: Mood): EndpointPlan {
  const isOurs = mood.corruption !== 'none' || prng.chance(0.65);
  const peer = isOurs ? 'oxmem' : prng.pick(PERSONAS);
  const hasTrouble = mood.hasTroubledMemory;
  const faults = mood.isBackwardBad ? faultsOf(prng.fork('faults'), mood) : calm(prng);
  return {
    peer,
    habits: habitsOf(prng.fork('habits'), { peer, mood }),
    base: isOurs ? prng.pick(BASES) : BASES[0]!,
    dataOrder: isOurs ? prng.pick(['raw', 'spec']) : peer === 'memnode' ? 'raw' : 'spec',
    mtuBytes: prng.pick([1500, 1500, 9000]),
    firstSequenceNumber: isOurs ? prng.pick(FIRST_NUMBERS) : 0,
    windowFrames: prng.pick([8, 16, 64]),
    grantExponents: [0, prng.pick([8, 9, 11, 13]), 8, 8, prng.pick([8, 12, 16]), 8],
    maxAccessBytes: prng.pick([64, 1024, 4096]),
    receiveFrames: prng.pick([4, 16, 1000, 1000]),
    faults,
    denyChance: hasTrouble && prng.chance(0.7) ? prng.nextFloat() * 0.1 : 0,
    spoilChance: hasTrouble && prng.chance(0.7) ? prng.nextFloat() * 0.1 : 0,
  };
}

/** A plain endpoint may have habits of known ones; a gentle run only such as leave nothing undone. */
function habitsOf(
  prng: Prng,
  { peer, mood }: { peer: EndpointPlan['peer']; mood: Mood },
): EndpointPlan['habits'] {
  if (peer !== 'plain' || mood.isGentle) return [];
  // Who swallows requests is the only one behind whom writes are given up and may still land.
  return prng.pick([[], [prng.pick(HABITS)], ['silent-opcodes'], ['silent-opcodes']]);
}

function driverOf(prng: Prng, endpoint: EndpointPlan, mood: Mood): DriverPlan {
  const sizeBytes = prng.pick([1024, 4096, 8192]);
  const { maxAccessBytes } = endpoint;
  return {
    sizeBytes,
    window: prng.pick([1, 2, 8, 64]),
    windowFrames: prng.pick([8, 16, 64]),
    // The D credits of a whole answer must fit.
    grantExponents: [0, 8, 8, 8, prng.pick(endpoint.peer === 'oxmem' ? [8, 10, 14] : [14]), 8],
    maxAccessLog2: prng.between(3, endpoint.peer === 'oxmem' ? floorLog2(maxAccessBytes) : 12),
    requestTimeoutMicros: prng.pick([200, 500, 1000]) * MILLISECOND,
    whenLost: mood.isGentle ? 'wait' : prng.pick(['fail', 'fail', 'wait']),
    // Who never resends loses for good what does not fit.
    receiveFrames: prng.pick(endpoint.peer === 'oxmem' ? [4, 16, 1000, 1000] : [1000]),
    rateBytesPerSecond: prng.pick([1e7, 1.25e8, 1.25e9]),
    queueFrames: prng.pick([2, 16, 1000]),
    faults: mood.isForwardBad ? faultsOf(prng.fork('faults'), mood) : calm(prng),
    clients: Array.from({ length: prng.pick([1, 1, 2]) }, (_, index) =>
      clientOf(prng.fork(`client ${index}`), sizeBytes),
    ),
  };
}

function clientOf(prng: Prng, sizeBytes: number): ClientPlan {
  const count = prng.between(4, 24);
  const pause = prng.pick([0, 200, 5_000, 30_000, 300_000]);
  return {
    depth: prng.pick([1, 2, 8]),
    hasStructuredReplies: prng.chance(0.5),
    operations: Array.from({ length: count }, () => operationOf(prng, sizeBytes, pause)),
  };
}

function operationOf(prng: Prng, sizeBytes: number, pause: Micros): Operation {
  const kind = prng.pick(KINDS);
  const pauseMicros = pause === 0 ? 0 : prng.below(2 * pause);
  if (kind === 'flush') return { kind, offset: 0, length: 0, pauseMicros };
  const longest = Math.min(sizeBytes, prng.pick([8, 200, 1500, 4096]));
  const length = prng.between(1, longest);
  return { kind, offset: prng.below(sizeBytes - length + 1), length, pauseMicros };
}

/** A wire without faults, but with its own time. */
function calm(prng: Prng): DirectionFaults {
  return directionFaults({ delayMicros: prng.pick([1, 10, 100, 2000]) });
}

function faultsOf(prng: Prng, mood: Mood): DirectionFaults {
  const most = mood.isGentle ? 0.05 : 0.3;
  const sometimes = (chance: number, top: number): number =>
    prng.chance(chance) ? prng.nextFloat() * top : 0;
  return directionFaults({
    loss: sometimes(0.5, most),
    bursts: prng.chance(0.2) ? burstsOf(prng, mood) : undefined,
    duplicate: sometimes(0.4, 0.2),
    reorder: sometimes(0.4, 0.2),
    reorderDepthFrames: prng.between(1, 6),
    delayMicros: prng.pick([1, 10, 100, 2000]),
    jitterMicros: prng.pick([0, 0, 50, 3000]),
    ...corruptionOf(prng, mood.corruption),
    script: prng.chance(0.3) ? scriptOf(prng, mood) : [],
  });
}

function burstsOf(prng: Prng, mood: Mood): DirectionFaults['bursts'] {
  const loss = mood.isGentle ? 0.5 : prng.pick([0.5, 1]);
  return { enter: 0.02, leave: prng.pick([0.5, 0.2]), loss };
}

function scriptOf(prng: Prng, mood: Mood): DirectionFaults['script'] {
  return Array.from({ length: prng.between(1, 4) }, () => {
    const kind = prng.pick(['drop', 'drop', 'duplicate', 'delayBehindNext', 'cut'] as const);
    if (kind !== 'cut') return { kind, frame: prng.below(60) };
    const from = prng.below(300) * MILLISECOND;
    const longest = mood.isGentle ? 100 : 3000;
    return { kind, from, until: from + prng.between(1, longest) * MILLISECOND };
  });
}

function corruptionOf(prng: Prng, corruption: Corruption): Partial<DirectionFaults> {
  if (corruption === 'none') return {};
  const corrupt = prng.nextFloat() * 0.05;
  return { corrupt, corruptBits: CORRUPTIBLE_BITS[corruption] };
}

function happeningsOf(prng: Prng, { mood, count }: { mood: Mood; count: number }): Happening[] {
  const happenings = Array.from({ length: prng.between(1, mood.happenings) }, () => {
    const kind = prng.pick(HAPPENINGS);
    const at = prng.below(500) * MILLISECOND;
    const forMicros = prng.pick([1, 20, 150, 800]) * MILLISECOND;
    const driver = prng.below(count);
    switch (kind) {
      case 'endpointRestart':
        return { kind, at, forMicros, keepsMemory: prng.chance(0.3) };
      case 'endpointPause':
        return { kind, at, forMicros };
      case 'interfaceDown':
        return { kind, at, forMicros, driver: prng.chance(0.3) ? -1 : driver };
      case 'driverClose':
        return { kind, at, driver };
      default:
        // Longer than any frame of the dead one is under way.
        return { kind, at, driver, forMicros: Math.max(forMicros, 20 * MILLISECOND) };
    }
  });
  return happenings.sort((a, b) => a.at - b.at);
}

/** Bit numbers of a frame: 8 * byte + bit from the lowest. OmniXtend 1.0.3 §3, figure 9. */
const bits = (from: number, until: number): number[] =>
  Array.from({ length: until - from }, (_, i) => from + i);
const MAC_HEADER_BITS = bits(0, 112);
const VC_AND_RESERVED_BITS = [117, 118, 119, 112, 127, 126, 160];
const ACK_BIT = 161;
const ACK_NUMBER_BITS = [...bits(144, 160), ...bits(162, 168)];
const CREDIT_BITS = bits(168, 176);

/** What each kind of corruption may hit. */
export const CORRUPTIBLE_BITS: Readonly<
  Record<Exclude<Corruption, 'none'>, readonly number[] | undefined>
> = {
  harmless: [...MAC_HEADER_BITS, ...VC_AND_RESERVED_BITS, ACK_BIT],
  acknowledgements: [...ACK_NUMBER_BITS, ...CREDIT_BITS],
  any: undefined,
};

const HABITS = Object.keys(HABIT_FAULTS) as HabitFault[];
const PERSONAS = ['memnode', 'etri', 'wdhw', 'wdhw-103', 'plain'] as const;
const DRIVER_COUNTS = [1, 1, 1, 2, 3];
const BASES = [
  { high: 0, low: 0 },
  { high: 0, low: 0xfffff000 },
  { high: 0x80000000, low: 8 },
];
/** Where the numbering begins: mostly a little below the wrap, or below the half. */
const FIRST_NUMBERS = [0, 0, 2 ** 22 - 1, 2 ** 22 - 3, 2 ** 22 - 20, 2 ** 22 - 60, 2 ** 21 - 5];
const KINDS = ['read', 'read', 'read', 'write', 'write', 'write', 'zero', 'flush', 'trim'] as const;
const HAPPENINGS = [
  'endpointRestart',
  'endpointPause',
  'driverPause',
  'driverKill',
  'driverClose',
  'interfaceDown',
] as const;
