import { isMacAt, type ByteRegion, type Micros } from '@oxmem/tloe-protocol';
import {
  MemoryNetwork,
  MemoryOracle,
  NO_FAULTS,
  Prng,
  VirtualClock,
  type DirectionFaults,
  type MemoryTransport,
} from '@oxmem/tloe-protocol/testing';
import { DriverSide, type DriverRun, type DriverStart } from './driver-side.ts';
import { EndpointSide, firstContents, lostContents } from './endpoint-side.ts';
import { Machine, type FrameTap } from './machine.ts';
import { memoryBytes, sliceStart, type ClientPlan, type SimulationPlan } from './plan.ts';
import type { Recorder } from './recorder.ts';
import { WireAudit, type AuditedEnd } from './wire-audit.ts';

/** Longest wait for an endpoint that answers nothing. */
const OPEN_TIMEOUT_MICROS: Micros = 20_000_000;

/** A driver's place in the world: its machine, and who runs on it now. */
export interface Place {
  readonly index: number;
  readonly machine: Machine;
  readonly transport: MemoryTransport;
  readonly oracle: MemoryOracle;
  side: DriverSide | undefined;
  /** What its clients have not asked for before it was killed. */
  clients: readonly ClientPlan[];
  audit: WireAudit | undefined;
  /** The endpoint's memory was lost, and nobody here knows yet. */
  isDeceived: boolean;
  lives: number;
  /** Whether the connection is over on purpose, in the midst of the work. */
  isLeaving: boolean;
}

/** Everybody and everything of a run, on one event queue. */
export class World {
  readonly plan: SimulationPlan;
  readonly clock: VirtualClock = new VirtualClock();
  readonly recorder: Recorder;
  readonly network: MemoryNetwork;
  readonly endpoint: EndpointSide;
  readonly places: readonly Place[];
  /** Promises that are under way. */
  readonly awaiting = { count: 0 };
  readonly #prng: Prng;
  readonly #endpointTransport: MemoryTransport;

  constructor(plan: SimulationPlan, recorder: Recorder) {
    this.plan = plan;
    this.recorder = recorder;
    this.#prng = new Prng(plan.seed).fork('world');
    this.network = new MemoryNetwork(this.clock, this.#prng.fork('network'), {
      ...(recorder.isTracing && { observe: (note) => this.#tellFate(note) }),
    });
    const { mtuBytes, receiveFrames, faults } = plan.endpoint;
    this.#endpointTransport = this.network.attach({
      mac: ENDPOINT_MAC,
      mtuBytes,
      receiveFrames,
      faults,
    });
    const tap = this.#endpointTap();
    const machine = new Machine(this.clock, this.#endpointTransport, tap);
    this.endpoint = new EndpointSide(plan, machine, this.#prng.fork('endpoint'));
    this.places = plan.drivers.map((_, index) => this.#newPlace(index));
  }

  get now(): Micros {
    return this.clock.now();
  }

  /** Whether wires and programs may be in trouble. */
  get hasFaults(): boolean {
    return this.now < this.plan.faultsEndAt;
  }

  /** Starts a driver program, the first one or a successor. */
  startDriver(place: Place): void {
    const driver = this.plan.drivers[place.index] as SimulationPlan['drivers'][number];
    const name = `driver ${place.index}`;
    const run: DriverRun = {
      name,
      comparesData: this.plan.corruption !== 'any',
      failed: () => this.#noteFailure(place),
      callAt: (at) => this.clock.schedule(at, () => place.side?.stepClients()),
      connectionEnded: () => place.audit?.stop(),
      told: (text, number) => this.recorder.note(this.now, name, number, () => text),
    };
    const start: DriverStart = {
      plan: driver,
      endpoint: this.plan.endpoint,
      endpointMac: ENDPOINT_MAC,
      firstByte: sliceStart(this.plan, place.index),
      machine: place.machine,
      prng: this.#prng.fork(`driver ${place.index} life ${place.lives++}`),
      oracle: place.oracle,
      awaiting: this.awaiting,
    };
    const isFirst = place.lives === 1;
    place.side = new DriverSide(start, run);
    place.audit = isFirst ? this.#newAudit(place, place.side) : undefined;
    place.side.open(OPEN_TIMEOUT_MICROS);
  }

  /** Kills a driver; its clients see their connections break. */
  killDriver(place: Place): void {
    place.clients = place.side?.clients.length ? place.side.kill() : place.clients;
    place.machine.switchOff();
    place.side = undefined;
    place.audit = undefined;
    this.#noteFailure(place);
  }

  /** The endpoint loses power, and its memory if so told. */
  cutPower(keepsMemory: boolean): void {
    this.endpoint.cutPower();
    for (const place of this.places) place.audit?.stop();
    if (keepsMemory) return;
    this.endpoint.memory.lose();
    for (const place of this.places) {
      place.isDeceived = true;
      // Who has not opened yet has seen nothing of what was there.
      if (place.side?.profile === undefined) this.#noteFailure(place);
    }
  }

  /** From here on nothing goes wrong any more. */
  endFaults(): void {
    const perfect = (faults: DirectionFaults): DirectionFaults => ({
      ...NO_FAULTS,
      delayMicros: faults.delayMicros,
    });
    const { simulator } = this.network;
    simulator.setFaults(this.#endpointTransport.port, perfect(this.plan.endpoint.faults));
    this.plan.drivers.forEach(({ faults }, index) => {
      simulator.setFaults(this.places[index]!.transport.port, perfect(faults));
    });
    this.endpoint.memory.isHealthy = true;
    this.recorder.tell(this.now, 'world', 'no more faults');
  }

  /** The machine with this number; -1: the endpoint's. */
  machine(driver: number): Machine {
    return driver < 0 ? this.endpoint.machine : this.places[driver]!.machine;
  }

  #newPlace(index: number): Place {
    const driver = this.plan.drivers[index]!;
    const start = sliceStart(this.plan, index);
    const contents = firstContents(memoryBytes(this.plan));
    const transport = this.network.attach({
      mac: DRIVER_MACS[index]!,
      mtuBytes: this.plan.endpoint.mtuBytes,
      receiveFrames: driver.receiveFrames,
      faults: driver.faults,
      rateBytesPerSecond: driver.rateBytesPerSecond,
      queueFrames: driver.queueFrames,
      hasBackPressure: true,
    });
    const { sizeBytes } = driver;
    return {
      index,
      transport,
      machine: new Machine(this.clock, transport, this.#driverTap(index)),
      oracle: new MemoryOracle(sizeBytes, contents.slice(start, start + sizeBytes)),
      side: undefined,
      clients: driver.clients,
      audit: undefined,
      isDeceived: false,
      lives: 0,
      isLeaving: false,
    };
  }

  #newAudit(place: Place, side: DriverSide): WireAudit | undefined {
    const { corruption, endpoint } = this.plan;
    if (corruption === 'acknowledgements' || corruption === 'any') return undefined;
    const { link } = side;
    return new WireAudit({
      firstSequenceNumber: endpoint.firstSequenceNumber,
      driverWindow: this.plan.drivers[place.index]!.windowFrames,
      endpointWindow: endpoint.windowFrames,
      isEndpointOurs: endpoint.peer === 'oxmem',
      quarantineMicros: 10 * this.plan.drivers[place.index]!.requestTimeoutMicros,
      now: () => this.now,
      // Where an endpoint lost a return of them, a driver helps itself after a while.
      obeysCredits: () => link.profile.returnsCredits && link.stats.creditsRestored === 0,
      numbersSkipped: () =>
        link.stats.skipped + (link.profile.dropsDuplicates ? this.endpoint.numbersSkipped : 1),
    });
  }

  /** Somebody was told that something is wrong: from now on lost memory may show. */
  #noteFailure(place: Place): void {
    if (!place.isDeceived) return;
    place.isDeceived = false;
    const start = sliceStart(this.plan, place.index);
    const lost = lostContents(memoryBytes(this.plan));
    const ticket = place.oracle.beginWrite(0, lost.slice(start, start + place.oracle.sizeBytes));
    place.oracle.endWrite(ticket, 'failed');
  }

  #driverTap(index: number): FrameTap {
    const name = `driver ${index}`;
    return {
      sent: (region, offset, length) => {
        this.recorder.frame(this.now, name, region, [offset, length]);
        this.places[index]!.audit?.sent('driver', region, offset, length);
      },
      received: (region, offset, length) => {
        if (!isFor(region, offset, [DRIVER_MACS[index]!, ENDPOINT_MAC])) return;
        this.places[index]!.audit?.received('driver', region, offset, length);
      },
    };
  }

  #endpointTap(): FrameTap {
    const auditOf = (region: ByteRegion, offset: number): WireAudit | undefined =>
      this.places.find(({ index }) => isMacAt(region.bytes, offset, DRIVER_MACS[index]!))?.audit;
    const end: AuditedEnd = 'endpoint';
    return {
      sent: (region, offset, length) => {
        this.recorder.frame(this.now, end, region, [offset, length]);
        auditOf(region, offset)?.sent(end, region, offset, length);
      },
      received: (region, offset, length) => {
        const place = this.places.find(({ index }) =>
          isFor(region, offset, [ENDPOINT_MAC, DRIVER_MACS[index]!]),
        );
        place?.audit?.received(end, region, offset, length);
      },
    };
  }

  #tellFate(note: { at: Micros; port: number; frame: number; fate: string }): void {
    if (note.fate === 'sent' || note.fate === 'delivered') return;
    const who = note.port === this.#endpointTransport.port ? 'endpoint' : `driver ${note.port - 1}`;
    this.recorder.tell(note.at, 'wire', `frame ${note.frame} of ${who}: ${note.fate}`);
  }
}

/** Any two of them differ in several bits: one inverted bit makes none of another. */
const ENDPOINT_MAC: Uint8Array = Uint8Array.of(2, 0, 0, 0, 0, 0x88);
const DRIVER_MACS: readonly Uint8Array[] = [0x11, 0x22, 0x44].map((last) =>
  Uint8Array.of(2, 0, 0, 0, 0, last),
);

/** Whether a frame is addressed as it should be, so that its receiver looks at it. */
function isFor(region: ByteRegion, offset: number, macs: [Uint8Array, Uint8Array]): boolean {
  const [destination, source] = macs;
  const { bytes } = region;
  if (!isMacAt(bytes, offset, destination) || !isMacAt(bytes, offset + 6, source)) return false;
  return bytes[offset + 12] === 0xaa && bytes[offset + 13] === 0xaa;
}
