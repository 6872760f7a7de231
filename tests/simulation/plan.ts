import type { EndpointPersonaName, HabitFault } from '@oxmem/sim-endpoint';
import type { DataOrder, Micros, RemoteAddress } from '@oxmem/tloe-protocol';
import type { DirectionFaults } from '@oxmem/tloe-protocol/testing';

/**
 * Everything that one simulated run is made of, as plain data that survives JSON: who speaks, what
 * they are asked to do, what the wires do, and what happens to whom. A seed makes one
 * (`seed-to-plan.ts`), shrinking makes it smaller (`shrink.ts`), `run-plan.ts` runs it.
 *
 * All times are virtual, counted from the start of the run.
 */
export interface SimulationPlan {
  /** Where the chances begin that are left: of the wires, of personas, of data. */
  readonly seed: number;
  readonly endpoint: EndpointPlan;
  /** 1 to 3, each with a slice of its own of the endpoint's memory. */
  readonly drivers: readonly DriverPlan[];
  readonly happenings: readonly Happening[];
  /** From here on wires are perfect and nothing happens any more. */
  readonly faultsEndAt: Micros;
  /** What a bit inverted behind the back of the frame check may do; see `Corruption`. */
  readonly corruption: Corruption;
  /** Whether every operation must succeed: the faults are such that nothing excuses an error. */
  readonly mustSucceed: boolean;
}

/**
 * Which bits of frames may be inverted without anybody's check noticing. The protocol has no
 * checksum of its own, so what may be promised depends on the bit:
 *
 * - `harmless`: MAC addresses, EtherType, virtual channel, reserved bits, the ack bit. Such a frame
 *   is dropped as not ours, or means the same: all invariants hold as if it had been lost.
 * - `acknowledgements`: number acknowledged, channel and credit. Frames may count as delivered that
 *   are not, and credits get lost or invented: operations may fail and the connection may stand
 *   still, but every byte that a successful read returns is right.
 * - `any`: also numbers, types, addresses, sizes, sources and data. Nobody can notice these (an
 *   address with one other bit is an address; a number with one other bit lets an old frame pass for
 *   a new one), so no byte is promised. What remains: nobody crashes, every operation is answered in
 *   time, nothing grows or is leaked, and the run is repeatable.
 */
export type Corruption = 'none' | 'harmless' | 'acknowledgements' | 'any';

/** The endpoint. */
export interface EndpointPlan {
  /** This project's own, or one that plays somebody. */
  readonly peer: 'oxmem' | EndpointPersonaName;
  /** Further habits of a persona. */
  readonly habits: readonly HabitFault[];
  readonly base: RemoteAddress;
  readonly dataOrder: DataOrder;
  readonly mtuBytes: number;
  /** Number of each side's first frame; personas know only 0. */
  readonly firstSequenceNumber: number;
  readonly windowFrames: number;
  /** Receive buffer of each channel, log2 flits, by channel number. */
  readonly grantExponents: readonly number[];
  readonly maxAccessBytes: number;
  /** Frames that the socket keeps while the endpoint does not read; what is beyond is lost. */
  readonly receiveFrames: number;
  /** On the frames that it sends, to whomever. */
  readonly faults: DirectionFaults;
  /** Chance, per request, that it is denied while there are faults. */
  readonly denyChance: number;
  /** Chance, per answer with data, that it is marked corrupt while there are faults. */
  readonly spoilChance: number;
}

/** A driver, its wire, and the clients of its block device. */
export interface DriverPlan {
  /** Bytes of its slice. */
  readonly sizeBytes: number;
  /** Accesses in flight. */
  readonly window: number;
  readonly windowFrames: number;
  readonly grantExponents: readonly number[];
  readonly maxAccessLog2: number;
  readonly requestTimeoutMicros: Micros;
  readonly whenLost: 'fail' | 'wait';
  readonly receiveFrames: number;
  /** Speed of its wire, and frames that may wait for it before it says that it is full. */
  readonly rateBytesPerSecond: number;
  readonly queueFrames: number;
  /** On the frames that it sends. */
  readonly faults: DirectionFaults;
  readonly clients: readonly ClientPlan[];
}

/** One NBD connection. */
export interface ClientPlan {
  /** Operations in flight at most. */
  readonly depth: number;
  readonly hasStructuredReplies: boolean;
  readonly operations: readonly Operation[];
}

/** One request of an NBD client. */
export interface Operation {
  readonly kind: 'read' | 'write' | 'zero' | 'flush' | 'trim';
  /** Within the device; 0 for a flush. */
  readonly offset: number;
  readonly length: number;
  /** From the moment at which there is room for it. */
  readonly pauseMicros: Micros;
}

/** Something that happens to somebody at a certain time. */
export type Happening =
  /** The endpoint loses power and comes back, with its memory or with other contents. */
  | {
      readonly kind: 'endpointRestart';
      readonly at: Micros;
      readonly forMicros: Micros;
      readonly keepsMemory: boolean;
    }
  /** The process does nothing for a while; frames wait in its socket, as far as that has room. */
  | { readonly kind: 'endpointPause'; readonly at: Micros; readonly forMicros: Micros }
  | {
      readonly kind: 'driverPause';
      readonly at: Micros;
      readonly forMicros: Micros;
      readonly driver: number;
    }
  /** The driver is killed, and another one with its address comes. */
  | {
      readonly kind: 'driverKill';
      readonly at: Micros;
      readonly forMicros: Micros;
      readonly driver: number;
    }
  /** The driver closes its connection in the midst of everything, and stays away. */
  | { readonly kind: 'driverClose'; readonly at: Micros; readonly driver: number }
  /** An interface is down for a while: frames from and to it are lost. -1: the endpoint's. */
  | {
      readonly kind: 'interfaceDown';
      readonly at: Micros;
      readonly forMicros: Micros;
      readonly driver: number;
    };

/** When the last thing that happens to somebody is over. */
export function happeningsEnd({ happenings }: SimulationPlan): Micros {
  const ends = happenings.map((each) => each.at + ('forMicros' in each ? each.forMicros : 0));
  return Math.max(0, ...ends);
}

/** Bytes of the endpoint's memory. */
export function memoryBytes(plan: SimulationPlan): number {
  return plan.drivers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** The first byte of a driver's slice. */
export function sliceStart(plan: SimulationPlan, driver: number): number {
  return plan.drivers.slice(0, driver).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
