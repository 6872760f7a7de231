/** Drivers, an endpoint and a hostile station on one switch, in virtual time. */
import {
  CapturingTransport,
  DEFAULT_REISSUE_POLICY,
  MILLISECOND,
  RemoteMemory,
  SECOND,
  type ByteRegion,
  type FrameSink,
  type MemoryBackend,
} from '@oxmem/tloe-protocol';
import {
  MemoryNetwork,
  Prng,
  VirtualClock,
  directionFaults,
  type MemoryTransport,
} from '@oxmem/tloe-protocol/testing';
import { Endpoint, SparseMemory, endpointConfig } from '@oxmem/sim-endpoint';
import { law } from './fuzz-target.ts';
import { HonestLoad, LOAD_BYTES } from './honest-load.ts';

/** Where each driver's memory begins: far from where hostile requests go. */
const HONEST_BASE_HIGH = 0x5a;
const HONEST_SPACING = 2 ** 28;
const MEMORY_BYTES = 2 ** 40;
/** Small, so that the ends of everything are met. */
const WINDOW_FRAMES = 32;
const GRANTS = [0, 9, 8, 8, 11, 8];
export const MAX_CONNECTIONS = 4;
const DELAY_MICROS = 20;
const REQUESTS_AT_A_TIME = 2;
/** Things that may happen within one step; a step that needs more hangs. */
const MAX_EVENTS = 20_000;

/** The last byte of each address. */
export const ENDPOINT_STATION = 0x0b;

/** 02:00:00:00:00 and `station`. */
export function stationMac(station: number): Uint8Array {
  return Uint8Array.of(2, 0, 0, 0, station >> 8, station & 0xff);
}

/** An honest driver with its user. */
export interface HonestDriver {
  readonly memory: RemoteMemory;
  readonly load: HonestLoad;
  readonly index: number;
}

export class FuzzNetwork {
  readonly clock: VirtualClock = new VirtualClock();
  readonly backing: MemoryBackend = new SparseMemory(MEMORY_BYTES);
  readonly endpoint: Endpoint;
  readonly endpointTransport: MemoryTransport;
  readonly #network: MemoryNetwork;
  readonly #drivers: HonestDriver[] = [];

  constructor() {
    const { clock, backing } = this;
    this.#network = new MemoryNetwork(clock, new Prng(1));
    this.endpointTransport = this.attach(ENDPOINT_STATION);
    this.endpoint = new Endpoint(
      endpointConfig({
        maxConnections: MAX_CONNECTIONS,
        windowFrames: WINDOW_FRAMES,
        grantExponents: GRANTS,
      }),
      { transport: this.endpointTransport, clock, memory: backing },
    );
    this.endpoint.start();
  }

  attach(station: number): MemoryTransport {
    const faults = directionFaults({ delayMicros: DELAY_MICROS });
    return this.#network.attach({ mac: stationMac(station), faults });
  }

  /** A driver whose connection is open and whose user is at work. */
  addDriver(station: number, mustSucceed: boolean, tap?: FrameSink): HonestDriver {
    const index = this.#drivers.length;
    const wire = this.attach(station);
    const transport = tap === undefined ? wire : new CapturingTransport(wire, tap);
    const memory = new RemoteMemory(
      {
        peerMac: stationMac(ENDPOINT_STATION),
        initiator: {
          base: { high: HONEST_BASE_HIGH, low: index * HONEST_SPACING },
          sizeBytes: LOAD_BYTES,
          dataOrder: 'raw',
          window: 16,
          maxAccessLog2: 8,
          reissue: DEFAULT_REISSUE_POLICY,
          firstSource: 1000,
        },
        link: { windowFrames: WINDOW_FRAMES, grantExponents: GRANTS },
      },
      { transport, clock: this.clock },
      { onLost: () => {}, onRecovered: () => {}, onEnded: () => load.stop() },
    );
    const load = new HonestLoad(memory, new Prng(station), mustSucceed);
    void memory.open(5 * SECOND);
    this.pass(100 * MILLISECOND);
    law(memory.link.state === 'open', () => 'an honest driver opens its connection');
    const driver = { memory, load, index };
    this.#drivers.push(driver);
    return driver;
  }

  /** Lets time pass, in which every user makes a few requests. */
  pass(micros: number): void {
    for (const { load } of this.#drivers) load.work(REQUESTS_AT_A_TIME);
    this.clock.advanceBy(micros, { maxEvents: MAX_EVENTS });
  }

  /** The users stop, the drivers leave, and then nothing must be left that keeps anybody busy. */
  finish(target: ByteRegion): void {
    for (const { load } of this.#drivers) load.stop();
    for (let i = 0; i < 60 && this.#drivers.some(({ load }) => load.pending > 0); i++) {
      this.pass(SECOND);
    }
    for (const { load, memory } of this.#drivers) {
      law(load.pending === 0, () => 'every request ends within a minute of the last attack');
      void memory.close();
    }
    this.pass(10 * SECOND);
    for (const { memory } of this.#drivers) {
      law(memory.link.state === 'closed', () => `a closed link is ${memory.link.state}`);
    }
    const { connectionsOpen } = this.endpoint.stats();
    law(connectionsOpen <= MAX_CONNECTIONS, () => `${connectionsOpen} connections are open`);
    for (const { load, index } of this.#drivers) {
      const offset = HONEST_BASE_HIGH * 2 ** 32 + index * HONEST_SPACING;
      this.backing.read(offset, LOAD_BYTES, target, 0);
      if (load.failed === 0) load.compare(target.bytes);
    }
    // Whoever does not acknowledge is given up in the end.
    this.clock.runDry({ maxEvents: MAX_EVENTS });
    this.endpoint.close();
    this.#network.close();
  }
}
