import { MILLISECOND, type Micros } from '@oxmem/tloe-protocol';
// A simulator is made of the simulation parts: they are published for programs like this one.
import { directionFaults, type DirectionFaults } from '@oxmem/tloe-protocol/testing';
import type { HabitFault } from '../persona/habit-faults.ts';

/** Which way frames go, seen from the endpoint: received or sent. */
export type FaultDirection = 'rx' | 'tx';

/** A way in which nothing moves for a while. */
export interface StallFault {
  /** Chance, per frame, that the endpoint stalls when the frame comes; 0 .. 1. */
  readonly chance: number;
  /** For how long. */
  readonly durationMicros: Micros;
}

/** What happens to the frames of one direction. */
export interface FrameFaults {
  readonly wire: DirectionFaults;
  readonly stall: StallFault;
}

/** Everything that can go wrong at an endpoint. Plain data. */
export interface FaultSettings {
  readonly rx: FrameFaults;
  readonly tx: FrameFaults;
  /** Chance, per request, that it is answered `denied`; 0 .. 1. */
  readonly denyChance: number;
  /** Chance, per answer with data, that it is marked corrupt; 0 .. 1. */
  readonly spoilChance: number;
  /** Habits of real endpoints that a plain one is given, see `HABIT_FAULTS`. */
  readonly habits: readonly HabitFault[];
}

/** Frames overtake one of theirs by so many places at most, if nothing else is said. */
export const DEFAULT_REORDER_DEPTH = 3;

/** How long a stall lasts, if nothing else is said. */
export const DEFAULT_STALL_MICROS: Micros = 100 * MILLISECOND;

/** A direction in which nothing goes wrong and nothing takes time. */
export const NO_FRAME_FAULTS: FrameFaults = {
  wire: directionFaults({ delayMicros: 0, reorderDepthFrames: DEFAULT_REORDER_DEPTH }),
  stall: { chance: 0, durationMicros: DEFAULT_STALL_MICROS },
};

/** An endpoint in perfect health. */
export const NO_FAULT_SETTINGS: FaultSettings = {
  rx: NO_FRAME_FAULTS,
  tx: NO_FRAME_FAULTS,
  denyChance: 0,
  spoilChance: 0,
  habits: [],
};

/** Whether frames of this direction are touched at all. */
export function hasFrameFaults({ wire, stall }: FrameFaults): boolean {
  const chances = [wire.loss, wire.duplicate, wire.reorder, wire.corrupt, stall.chance];
  const times = [wire.delayMicros, wire.jitterMicros];
  return [...chances, ...times].some((value) => value > 0);
}
