import { assert } from '../assert.ts';
import type { Micros } from '../units.ts';
import { EventQueue, type QueuedEvent } from './event-queue.ts';
import { NO_FAULTS, type DirectionFaults } from './fault-plan.ts';
import type { Prng } from './prng.ts';

/** How the ports of a network hang together. */
export type Topology = 'point-to-point' | 'switch';

/** A network as a whole. */
export interface NetworkOptions {
  /**
   * `point-to-point`: two ports; what one sends the other gets, whatever its address.
   * `switch` (default): any number of ports; a frame goes to the port with its destination address,
   * to nobody if that is the sender's own, and to all others if it is a group or unknown.
   */
  readonly topology?: Topology;
  /** Told of everything that happens to a frame, at once. */
  readonly observe?: (note: WireNote) => void;
}

/** One end of the network, and the wire that leads away from it. */
export interface PortOptions {
  /** 6 bytes. */
  readonly mac: Uint8Array;
  /** What happens to the frames that this port sends. Default: nothing bad. */
  readonly faults?: DirectionFaults;
  /** Speed of the wire. Default: no limit. */
  readonly rateBytesPerSecond?: number;
  /** Frames that may wait for the wire; what is beyond is lost. Default: no limit. */
  readonly queueFrames?: number;
}

/** What can happen to a frame. */
export type FrameFate = keyof PortCounts;

/** One thing that happened to one frame. */
export interface WireNote {
  readonly at: Micros;
  /** The sender's port, and for `delivered` the receiver's. */
  readonly port: number;
  /** Index of the frame among those of its sender, from 0. */
  readonly frame: number;
  readonly fate: FrameFate;
}

/** Frames by what happened to them, counted at the sender's port except for `delivered`. */
export interface PortCounts {
  sent: number;
  /** Came out at this port. */
  delivered: number;
  lost: number;
  lostInBurst: number;
  droppedByScript: number;
  cut: number;
  /** Lost because the queue in front of the wire was full. */
  overflowed: number;
  duplicated: number;
  reordered: number;
  corrupted: number;
  /** Addressed to the sender's own port. */
  unroutable: number;
}

/** A frame that has come to the end of its wire. */
export interface Arrival {
  /** The receiver's port. */
  readonly port: number;
  /** The frame; belongs to the caller. */
  readonly bytes: Uint8Array;
}

/**
 * Wires that lose, repeat, reorder, delay and spoil frames. Sans-IO: time comes in with each call,
 * and chance only from the generator given, with a sequence of its own for each port and each kind
 * of fault, so that taking one fault away leaves the others where they were.
 */
export class NetworkSimulator {
  readonly #prng: Prng;
  readonly #topology: Topology;
  readonly #observe: ((note: WireNote) => void) | undefined;
  readonly #ports: Port[] = [];
  readonly #arrivals = new EventQueue<InFlight>();

  constructor(prng: Prng, options: NetworkOptions = {}) {
    this.#prng = prng;
    this.#topology = options.topology ?? 'switch';
    this.#observe = options.observe;
  }

  /** @returns the number of the new port: 0, 1, … */
  addPort(options: PortOptions): number {
    const port = this.#ports.length;
    assert(this.#topology === 'switch' || port < 2, 'a point-to-point network has two ports');
    this.#ports.push(newPort(options, this.#prng.fork(`port ${port}`)));
    return port;
  }

  /** Changes what happens to frames that `port` sends from now on; its frames are counted on. */
  setFaults(port: number, faults: DirectionFaults): void {
    this.#port(port).faults = faults;
  }

  /** What happened so far; a live view. */
  counts(port: number): Readonly<PortCounts> {
    return this.#port(port).counts;
  }

  /** Sends one frame, which is copied. */
  send(now: Micros, from: number, frame: Uint8Array): void {
    const port = this.#port(from);
    const index = port.counts.sent;
    this.#note(now, from, index, 'sent');
    if (this.queuedFrames(now, from) >= port.queueFrames) {
      this.#note(now, from, index, 'overflowed');
      return;
    }
    const departure = occupyWire(port, now, frame.length);
    const bytes = frame.slice();
    const loss = lossOf(port, now, index);
    if (loss !== undefined) {
      this.#note(now, from, index, loss);
      return;
    }
    if (corrupt(port, index, bytes)) this.#note(now, from, index, 'corrupted');
    this.#carry(port, { now, from, index, bytes, departure });
  }

  /** When the next frame comes to the end of its wire; Infinity when none is on its way. */
  get nextAt(): Micros {
    return this.#arrivals.nextAt;
  }

  /** The next frame that has arrived by `now`; undefined when there is none. */
  takeArrival(now: Micros): Arrival | undefined {
    if (this.#arrivals.nextAt > now) return undefined;
    const event = this.#arrivals.pop();
    if (event === undefined) return undefined;
    this.#note(event.at, event.value.port, event.value.index, 'delivered');
    return event.value;
  }

  /** Frames of `from` that wait for its wire. */
  queuedFrames(now: Micros, from: number): number {
    const { departures } = this.#port(from);
    while (departures.length > 0 && (departures[0] as number) <= now) departures.shift();
    return departures.length;
  }

  /** When the queue of `from` has room for one more frame, if nobody adds any: `now` or later. */
  roomAt(now: Micros, from: number): Micros {
    const { queueFrames, departures } = this.#port(from);
    const excess = this.queuedFrames(now, from) - queueFrames;
    return excess < 0 ? now : (departures[excess] as number);
  }

  /** Decides when the frame arrives, where, how often, and which held ones it sets free. */
  #carry(port: Port, frame: Carried): void {
    const { now, from, index } = frame;
    const { faults } = port;
    const jitter = faults.jitterMicros > 0 ? port.chance.jitter.below(faults.jitterMicros + 1) : 0;
    const onTime = Math.ceil(frame.departure + faults.delayMicros + jitter);
    const at = Math.max(onTime, port.lastArrival);
    const depth = overtakersOf(port, index);
    const events: QueuedEvent<InFlight>[] = [];
    const copies = isDuplicated(port, index) ? 2 : 1;
    for (const target of this.#targets(from, frame.bytes)) {
      for (let copy = 0; copy < copies; copy++) {
        const flight = { port: target, index, bytes: frame.bytes.slice() };
        events.push(this.#arrivals.push(depth > 0 ? at + faults.reorderHoldMicros : at, flight));
      }
    }
    if (events.length === 0) this.#note(now, from, index, 'unroutable');
    else if (copies > 1) this.#note(now, from, index, 'duplicated');
    if (depth > 0) {
      this.#note(now, from, index, 'reordered');
      port.held.push({ events, remaining: depth });
    } else {
      port.lastArrival = at;
      this.#release(port, at);
    }
  }

  /** Counts a frame that arrives at `at` as overtaking; who has been overtaken enough follows. */
  #release(port: Port, at: Micros): void {
    for (const held of port.held) {
      held.remaining -= 1;
      if (held.remaining > 0) continue;
      for (const event of held.events) {
        if (event.at >= at && this.#arrivals.remove(event)) this.#arrivals.push(at, event.value);
      }
    }
    port.held = port.held.filter((held) => held.remaining > 0);
  }

  #targets(from: number, bytes: Uint8Array): number[] {
    const others = [...this.#ports.keys()].filter((port) => port !== from);
    if (this.#topology === 'point-to-point') return others;
    const owner = this.#ports.findIndex((port) => port.mac.every((byte, i) => byte === bytes[i]));
    if (owner < 0) return others;
    return owner === from ? [] : [owner];
  }

  #note(at: Micros, port: number, frame: number, fate: FrameFate): void {
    this.#port(port).counts[fate] += 1;
    this.#observe?.({ at, port, frame, fate });
  }

  #port(port: number): Port {
    const found = this.#ports[port];
    assert(found !== undefined, 'a port of this network');
    return found;
  }
}

interface Port {
  readonly mac: Uint8Array;
  faults: DirectionFaults;
  readonly rateBytesPerSecond: number;
  readonly queueFrames: number;
  readonly counts: PortCounts;
  readonly chance: Readonly<Record<ChanceName, Prng>>;
  isInBurst: boolean;
  /** When the wire has taken the last frame; with a fraction. */
  busyUntil: Micros;
  lastArrival: Micros;
  /** When the frames that wait for the wire will have left; ascending. */
  readonly departures: Micros[];
  held: HeldFrame[];
}

interface InFlight extends Arrival {
  readonly index: number;
}

/** A frame that waits to be overtaken. */
interface HeldFrame {
  readonly events: readonly QueuedEvent<InFlight>[];
  remaining: number;
}

interface Carried {
  readonly now: Micros;
  readonly from: number;
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly departure: Micros;
}

const CHANCE_NAMES = ['loss', 'burst', 'duplicate', 'reorder', 'corrupt', 'jitter'] as const;
type ChanceName = (typeof CHANCE_NAMES)[number];

function newPort(options: PortOptions, prng: Prng): Port {
  const chances = CHANCE_NAMES.map((name) => [name, prng.fork(name)] as const);
  return {
    mac: options.mac.slice(),
    faults: options.faults ?? NO_FAULTS,
    rateBytesPerSecond: options.rateBytesPerSecond ?? Infinity,
    queueFrames: options.queueFrames ?? Infinity,
    counts: newCounts(),
    chance: Object.fromEntries(chances) as Record<ChanceName, Prng>,
    isInBurst: false,
    busyUntil: 0,
    lastArrival: 0,
    departures: [],
    held: [],
  };
}

function newCounts(): PortCounts {
  return {
    sent: 0,
    delivered: 0,
    lost: 0,
    lostInBurst: 0,
    droppedByScript: 0,
    cut: 0,
    overflowed: 0,
    duplicated: 0,
    reordered: 0,
    corrupted: 0,
    unroutable: 0,
  };
}

/** @returns when the frame has left */
function occupyWire(port: Port, now: Micros, lengthBytes: number): Micros {
  const start = Math.max(now, port.busyUntil);
  port.busyUntil = start + (lengthBytes * 1_000_000) / port.rateBytesPerSecond;
  const departure = Math.ceil(port.busyUntil);
  if (departure > now) port.departures.push(departure);
  return departure;
}

function lossOf(port: Port, now: Micros, index: number): FrameFate | undefined {
  const { faults, chance } = port;
  // Drawn for every frame, so that a script does not shift what chance does to the frames after.
  const isLostInBurst = passBurst(port);
  const isLost = chance.loss.chance(faults.loss);
  for (const fault of faults.script) {
    if (fault.kind === 'cut' && now >= fault.from && now < fault.until) return 'cut';
    if (fault.kind === 'drop' && fault.frame === index) return 'droppedByScript';
  }
  if (isLostInBurst) return 'lostInBurst';
  return isLost ? 'lost' : undefined;
}

function passBurst(port: Port): boolean {
  const bursts = port.faults.bursts;
  if (bursts === undefined) {
    port.isInBurst = false;
    return false;
  }
  const turns = port.chance.burst.chance(port.isInBurst ? bursts.leave : bursts.enter);
  if (turns) port.isInBurst = !port.isInBurst;
  return port.isInBurst && port.chance.burst.chance(bursts.loss);
}

function corrupt(port: Port, index: number, bytes: Uint8Array): boolean {
  let isCorrupted = false;
  for (const fault of port.faults.script) {
    if (fault.kind !== 'corrupt' || fault.frame !== index) continue;
    invertBit(bytes, fault.bit);
    isCorrupted = true;
  }
  if (!port.chance.corrupt.chance(port.faults.corrupt)) return isCorrupted;
  const { corruptBits } = port.faults;
  const { corrupt: chance } = port.chance;
  invertBit(bytes, corruptBits ? chance.pick(corruptBits) : chance.below(bytes.length * 8));
  return true;
}

/** @param bit  8 * byte + bit, counted from the lowest; beyond the frame it wraps */
function invertBit(bytes: Uint8Array, bit: number): void {
  const index = (bit >> 3) % bytes.length;
  bytes[index] = (bytes[index] as number) ^ (1 << (bit & 7));
}

/** @returns how many frames are to overtake this one; 0: none */
function overtakersOf(port: Port, index: number): number {
  const { faults, chance } = port;
  const isReordered = chance.reorder.chance(faults.reorder);
  const depth = isReordered ? chance.reorder.between(1, faults.reorderDepthFrames) : 0;
  return isScripted(faults, 'delayBehindNext', index) ? 1 : depth;
}

function isDuplicated(port: Port, index: number): boolean {
  const isByChance = port.chance.duplicate.chance(port.faults.duplicate);
  return isScripted(port.faults, 'duplicate', index) || isByChance;
}

function isScripted(
  faults: DirectionFaults,
  kind: 'duplicate' | 'delayBehindNext',
  index: number,
): boolean {
  return faults.script.some((fault) => fault.kind === kind && fault.frame === index);
}
