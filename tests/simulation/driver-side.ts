import { ExportTable } from '@oxmem/nbd-protocol';
import {
  Channel,
  DEFAULT_REISSUE_POLICY,
  SECOND,
  addressPlus,
  type CloseResult,
  type Link,
  type Micros,
} from '@oxmem/tloe-protocol';
import type { MemoryOracle, Prng } from '@oxmem/tloe-protocol/testing';
import {
  ContentWitness,
  EndpointMemory,
  MemoryWitnesses,
  RemoteBlockDevice,
  type EndpointMemoryConfig,
  type EndpointObserver,
  type NoReturn,
} from 'oxmem-bdev';
import type { Machine } from './machine.ts';
import { NbdClient, type ClientRun } from './nbd-client.ts';
import type { ClientPlan, DriverPlan, EndpointPlan } from './plan.ts';
import { Violation, invariant } from './violation.ts';

/** Requests that one device can have: its clients have no more. */
const CAPACITY = 64;

/** What a driver program is told when it starts. */
export interface DriverStart {
  readonly plan: DriverPlan;
  readonly endpoint: EndpointPlan;
  readonly endpointMac: Uint8Array;
  /** First byte of its slice. */
  readonly firstByte: number;
  readonly machine: Machine;
  readonly prng: Prng;
  readonly oracle: MemoryOracle;
  /** Promises that are under way, for whoever moves time. */
  readonly awaiting: { count: number };
}

/** What is common to all clients of a driver. */
export type DriverRun = Pick<ClientRun, 'comparesData' | 'failed'> & {
  readonly name: string;
  callAt(at: Micros): void;
  told(text: string, number: number): void;
  /** The connection is given up; there may be another one. */
  connectionEnded(): void;
};

/**
 * One life of a driver: the parts that `oxmem-bdev` composes, from NBD sessions down to the link, on
 * a machine of the simulation.
 */
export class DriverSide implements EndpointObserver {
  readonly memory: EndpointMemory;
  clients: readonly NbdClient[] = [];
  /** The name of the profile that the endpoint was given; undefined before it is open. */
  profile: string | undefined = undefined;
  hasFailedToOpen = false;
  /** The connection is over, by the endpoint or by the interface. */
  hasEnded = false;
  closed: CloseResult | undefined = undefined;
  readonly #start: DriverStart;
  readonly #run: DriverRun;
  readonly #device: RemoteBlockDevice;
  readonly #exports: ExportTable;

  constructor(start: DriverStart, run: DriverRun) {
    this.#start = start;
    this.#run = run;
    const { plan, machine } = start;
    const witness = new ContentWitness();
    const witnesses = new MemoryWitnesses([{ firstByte: 0, witness }]);
    this.memory = new EndpointMemory(memoryConfig(start), { ...machine.boot(), witnesses }, this);
    this.#device = new RemoteBlockDevice(
      {
        witness,
        clock: machine.clock,
        sizeBytes: plan.sizeBytes,
        readOnly: false,
        preferredBlockBytes: 4096,
        capacity: CAPACITY,
      },
      this.memory,
    );
    this.#exports = new ExportTable([{ name: 'oxmem', backend: this.#device }]);
  }

  /** The link of the present connection. */
  get link(): Link {
    return this.memory.link;
  }

  /** Whether requests have a chance. */
  get isHealthy(): boolean {
    return this.memory.isHealthy;
  }

  /** Whether promises are under way that nobody outside knows of. */
  get isSettling(): boolean {
    const { state } = this.memory;
    return state === 'unopened' || state === 'opening' || state === 'proving';
  }

  open(timeoutMicros: Micros): void {
    this.#await(this.memory.open(timeoutMicros), (result) => {
      if (!result.isOpen) {
        this.hasFailedToOpen = true;
        this.#run.told(`could not open: ${result.reason}`, 1);
        return;
      }
      this.profile = result.profile.name;
      this.#run.told(`is open, the endpoint is ${this.profile}`, 2);
    });
  }

  /** Lets the clients in. */
  serve(plans: DriverPlan['clients']): void {
    const { machine, oracle, prng } = this.#start;
    this.clients = plans.map((plan, index) => {
      const name = `${this.#run.name}.${index}`;
      const run: ClientRun = {
        ...this.#run,
        name,
        oracle,
        now: () => machine.clock.now(),
        told: (operation, text) =>
          this.#run.told(`client ${index} #${operation} ${text}`, operation),
      };
      const server = { exports: this.#exports, prng: prng.fork(`client ${index}`) };
      return new NbdClient(plan, run, server);
    });
    this.stepClients();
  }

  /** Lets clients and sessions do what they can, unless the process stands still. */
  stepClients(): void {
    this.#start.machine.whenAwake(() => {
      for (const client of this.clients) client.step();
    });
  }

  /** Only those for whom something has come. */
  stepStirredClients(): void {
    if (this.#start.machine.isPaused) return;
    for (const client of this.clients) if (client.isStirred) client.step();
  }

  close(): void {
    this.#await(this.memory.close(), (how) => {
      this.closed = how;
      this.#run.told(`has closed: ${how}`, 3);
    });
  }

  /** From one moment to the next it is gone. @returns what its clients have not asked for yet */
  kill(): readonly ClientPlan[] {
    this.#start.machine.switchOff();
    return this.clients.map((client) => client.abandon());
  }

  onLost(silentMicros: Micros): void {
    this.#run.told(`hears nothing for ${silentMicros} us: lost`, 4);
  }

  onRecovered(): void {
    this.#run.told('hears the endpoint again', 5);
  }

  onStillLost(why: NoReturn): void {
    this.#run.told(`keeps the lost connection: ${why}`, 6);
  }

  onGivenUp(why: string): void {
    this.#run.connectionEnded();
    this.#run.told(`gives the connection up: ${why}`, 7);
  }

  onStranded(why: NoReturn): void {
    this.hasEnded = true;
    this.#run.told(`is stranded: ${why}`, 8);
  }

  onProven(): void {
    this.#run.told('has another connection, the memory is as it was', 9);
  }

  onDisproved(reason: string): void {
    this.#run.told(`has another connection, and ${reason}`, 10);
  }

  onEnded(error: Error): void {
    this.hasEnded = true;
    this.#run.told(`is told of the end: ${error.message}`, 11);
  }

  /** Invariants 3, 4 and 6, after each event. */
  checkStep(now: Micros): void {
    const { link, initiator } = this.memory;
    const { machine } = this.#start;
    if (machine.isPaused || !this.#hasHost()) return;
    const due = Math.min(link.pollDeadline(), initiator.pollDeadline());
    invariant(
      6,
      due >= now || machine.isJustAwake,
      () => `${this.#run.name} has a deadline ${now - due} us ago`,
    );
    const { framesOutstanding } = link;
    const isInside = framesOutstanding <= link.config.windowFrames;
    invariant(4, isInside, () => `${this.#run.name} has ${framesOutstanding} frames out`);
    const credits = link.creditsAvailable(Channel.A);
    const isPaid = credits >= 0 || !link.profile.returnsCredits;
    invariant(3, isPaid, () => `${this.#run.name} has ${credits} credits`);
  }

  /**
   * Invariant 7: everything is back in its pool; the frames too, if the endpoint acknowledges all of
   * them.
   */
  checkIdle(isAcknowledging: boolean): void {
    const { initiator, link } = this.memory;
    const left = {
      liveRequests: initiator.liveRequests,
      accessesInFlight: initiator.accessesInFlight,
      rangesLocked: initiator.rangesLocked,
      framesOutstanding: isAcknowledging ? link.framesOutstanding : 0,
      clients: this.clients.reduce((sum, client) => sum + client.leftovers, 0),
    };
    const isEmpty = Object.values(left).every((count) => count === 0);
    if (!isEmpty) throw new Violation(7, `${this.#run.name} keeps ${JSON.stringify(left)}`);
  }

  /** Whether somebody looks after the link: not between two connections, and not at the end. */
  #hasHost(): boolean {
    const { state } = this.memory;
    return state !== 'quiet' && state !== 'closed' && this.link.state !== 'closed';
  }

  #await<T>(promise: Promise<T>, then: (value: T) => void): void {
    const { awaiting } = this.#start;
    awaiting.count++;
    void promise.then((value) => {
      awaiting.count--;
      then(value);
    });
  }
}

function memoryConfig(start: DriverStart): EndpointMemoryConfig {
  const { plan, endpoint, endpointMac, firstByte, prng } = start;
  const base = addressPlus(endpoint.base, firstByte);
  if (base === undefined) throw new RangeError('the slices lie within 64 bits of address');
  const { requestTimeoutMicros, whenLost, windowFrames, grantExponents } = plan;
  const sources = prng.fork('sources');
  return {
    connection: {
      peerMac: endpointMac,
      initiator: {
        base,
        sizeBytes: plan.sizeBytes,
        dataOrder: endpoint.dataOrder,
        window: plan.window,
        maxAccessLog2: plan.maxAccessLog2,
        reissue: { ...DEFAULT_REISSUE_POLICY, requestTimeoutMicros, whenLost },
      },
      link: { windowFrames, grantExponents, firstSequenceNumber: endpoint.firstSequenceNumber },
    },
    drawSource: () => sources.below(2 ** 26),
    openTimeoutMicros: 5 * SECOND,
    whenRestarted: 'prove',
  };
}
