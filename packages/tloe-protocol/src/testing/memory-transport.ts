import { assert } from '../assert.ts';
import type { ByteRegion } from '../byte-region.ts';
import type { Alarm, Clock } from '../host/clock.ts';
import type { FrameTransport, TransportHandlers } from '../host/frame-transport.ts';
import { symmetricFaults, type FaultPlan } from './fault-plan.ts';
import {
  NetworkSimulator,
  type NetworkOptions,
  type PortCounts,
  type PortOptions,
} from './network-simulator.ts';
import type { Prng } from './prng.ts';
import { BATCH_FRAMES, MAC_HEADER_BYTES, ReceiveSlab } from './receive-slab.ts';

/** One interface on a simulated network. */
export interface MemoryTransportOptions extends PortOptions {
  /** Default 1500. */
  readonly mtuBytes?: number;
  /**
   * Whether a full queue (`queueFrames`) makes `sendBatch` take fewer frames, instead of losing
   * them behind its back. Default false.
   */
  readonly hasBackPressure?: boolean;
  /** Received frames that may wait for the owner; what is beyond is lost. Default: no limit. */
  readonly receiveFrames?: number;
}

/**
 * A simulated network and the interfaces on it, driven by a clock. Frames that are due at the same
 * instant reach an interface in one batch.
 */
export class MemoryNetwork {
  readonly simulator: NetworkSimulator;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #transports: MemoryTransport[] = [];

  constructor(clock: Clock, prng: Prng, options: NetworkOptions = {}) {
    this.simulator = new NetworkSimulator(prng, options);
    this.#clock = clock;
    this.#alarm = clock.createAlarm(() => this.#deliver());
  }

  /** A new interface. */
  attach(options: MemoryTransportOptions): MemoryTransport {
    const port = this.simulator.addPort(options);
    const transport = new MemoryTransport({ network: this, clock: this.#clock, port }, options);
    this.#transports.push(transport);
    return transport;
  }

  /** To be called after frames were given to the simulator; `MemoryTransport` does. */
  wake(): void {
    this.#alarm.arm(this.simulator.nextAt);
  }

  /** Stops the network: frames on their way never arrive. Closes all interfaces. */
  close(): void {
    for (const transport of this.#transports) transport.close();
    this.#alarm.close();
  }

  #deliver(): void {
    const now = this.#clock.now();
    const busy: MemoryTransport[] = [];
    // First take all that is due, then hand it up: an answer sent at once belongs to a later batch.
    for (;;) {
      const arrival = this.simulator.takeArrival(now);
      if (arrival === undefined) break;
      const transport = this.#transports[arrival.port] as MemoryTransport;
      if (transport.keep(arrival.bytes)) busy.push(transport);
    }
    for (const transport of busy) transport.handUp();
    this.wake();
  }
}

/** An interface on a `MemoryNetwork`; made by `attach`. */
export class MemoryTransport implements FrameTransport {
  readonly mtuBytes: number;
  readonly ownMac: Uint8Array;
  readonly receiveRegion: ByteRegion;
  readonly receiveDescriptors: Int32Array;
  readonly port: number;
  /** Frames that came before `start`, after `close`, or are longer than this interface allows. */
  framesIgnored = 0;
  /** Frames lost because too many waited for the owner. */
  framesOverrun = 0;

  readonly #network: MemoryNetwork;
  readonly #clock: Clock;
  readonly #slab: ReceiveSlab;
  readonly #hasBackPressure: boolean;
  readonly #writableAlarm: Alarm;
  #handlers: TransportHandlers | undefined;
  readonly #receiveFrames: number;
  #arrived: Uint8Array[] = [];
  #isHeld = false;
  #isClosed = false;

  constructor(place: MemoryTransportPlace, options: MemoryTransportOptions) {
    this.#network = place.network;
    this.#clock = place.clock;
    this.port = place.port;
    this.mtuBytes = options.mtuBytes ?? DEFAULT_MTU_BYTES;
    this.ownMac = options.mac.slice();
    this.#slab = new ReceiveSlab(BATCH_FRAMES, this.mtuBytes);
    this.receiveRegion = this.#slab.region;
    this.receiveDescriptors = this.#slab.descriptors;
    this.#hasBackPressure = options.hasBackPressure ?? false;
    this.#receiveFrames = options.receiveFrames ?? Infinity;
    this.#writableAlarm = place.clock.createAlarm(() => this.#handlers?.onWritable());
  }

  /** What happened to the frames that this interface sent, and how many it got; a live view. */
  get counts(): Readonly<PortCounts> {
    return this.#network.simulator.counts(this.port);
  }

  start(handlers: TransportHandlers): void {
    assert(this.#handlers === undefined, 'a transport is started once');
    if (!this.#isClosed) this.#handlers = handlers;
  }

  sendBatch(region: ByteRegion, descriptors: Int32Array, first: number, count: number): number {
    if (this.#isClosed) return 0;
    const now = this.#clock.now();
    const simulator = this.#network.simulator;
    let taken = 0;
    while (taken < count) {
      if (this.#hasBackPressure && simulator.roomAt(now, this.port) > now) break;
      const offset = descriptors[2 * (first + taken)] as number;
      const length = descriptors[2 * (first + taken) + 1] as number;
      assert(length <= MAC_HEADER_BYTES + this.mtuBytes, 'a frame fits the MTU');
      simulator.send(now, this.port, region.bytes.subarray(offset, offset + length));
      taken += 1;
    }
    if (taken < count) this.#writableAlarm.arm(simulator.roomAt(now, this.port));
    this.#network.wake();
    return taken;
  }

  close(): void {
    this.#isClosed = true;
    this.#handlers = undefined;
    this.#arrived = [];
    this.#writableAlarm.close();
  }

  /** As if the interface had gone: tells the owner, and is closed. */
  fail(error: Error): void {
    const handlers = this.#handlers;
    this.close();
    handlers?.onFailure(error);
  }

  /** While it is held, frames wait here: the owner does not read. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    if (!isHeld) this.handUp();
  }

  /**
   * For the network: a frame has come.
   *
   * @returns whether it is the first since `handUp`
   */
  keep(frame: Uint8Array): boolean {
    if (this.#handlers === undefined || frame.length > MAC_HEADER_BYTES + this.mtuBytes) {
      this.framesIgnored += 1;
      return false;
    }
    if (this.#arrived.length >= this.#receiveFrames) {
      this.framesOverrun += 1;
      return false;
    }
    return this.#arrived.push(frame) === 1;
  }

  /** For the network: hands up what has come, in batches. */
  handUp(): void {
    if (this.#isHeld) return;
    const frames = this.#arrived;
    this.#arrived = [];
    for (let first = 0; first < frames.length; first += BATCH_FRAMES) {
      const batch = frames.slice(first, first + BATCH_FRAMES);
      batch.forEach((frame, slot) => {
        const offset = this.#slab.offsetOf(slot);
        this.receiveRegion.bytes.set(frame, offset);
        this.receiveDescriptors[2 * slot] = offset;
        this.receiveDescriptors[2 * slot + 1] = frame.length;
      });
      // The owner may have closed the interface during the batch before.
      this.#handlers?.onReceiveBatch(batch.length);
    }
  }
}

/** Where an interface is attached. */
export interface MemoryTransportPlace {
  readonly network: MemoryNetwork;
  readonly clock: Clock;
  readonly port: number;
}

/** Two interfaces joined by a wire. */
export interface MemoryLinkOptions {
  /** `forward` is from `a` to `b`. Default: no faults, 10 us each way. */
  readonly faults?: FaultPlan;
  readonly observe?: NetworkOptions['observe'];
  /** What both interfaces have in common; the addresses are 02:00:00:00:00:0a and …:0b. */
  readonly both?: Omit<MemoryTransportOptions, 'mac' | 'faults'>;
}

/** Two interfaces and the network that they make. */
export interface MemoryLink {
  readonly a: MemoryTransport;
  readonly b: MemoryTransport;
  readonly network: MemoryNetwork;
}

/** Two interfaces joined by a wire, on a clock of the caller's, usually a `VirtualClock`. */
export function createMemoryLink(
  clock: Clock,
  prng: Prng,
  options: MemoryLinkOptions = {},
): MemoryLink {
  const { forward, backward } = options.faults ?? symmetricFaults({});
  const network = new MemoryNetwork(clock, prng, {
    topology: 'point-to-point',
    ...(options.observe && { observe: options.observe }),
  });
  const a = network.attach({ ...options.both, mac: MAC_A, faults: forward });
  const b = network.attach({ ...options.both, mac: MAC_B, faults: backward });
  return { a, b, network };
}

/** Locally administered addresses, which no card has. */
export const MAC_A: Uint8Array = Uint8Array.of(2, 0, 0, 0, 0, 0x0a);
/** The other of the two addresses. */
export const MAC_B: Uint8Array = Uint8Array.of(2, 0, 0, 0, 0, 0x0b);

const DEFAULT_MTU_BYTES = 1500;
