import { composeEndpoint, type Endpoint } from '@oxmem/sim-endpoint';
import type { BlockCommand } from '@oxmem/nbd-protocol';
import type { Micros } from '@oxmem/tloe-protocol';
import { SECOND } from '@oxmem/tloe-protocol';
import { formatMac } from '@oxmem/tloe-protocol/text';
import {
  ArrayMemory,
  MAC_A,
  MAC_B,
  MemoryNetwork,
  MemoryPeer,
  NO_FAULTS,
  Prng,
  VirtualClock,
  type DirectionFaults,
  type MemoryTransport,
} from '@oxmem/tloe-protocol/testing';

import { readCommandLine } from '../src/cli/program.ts';
import { composeDevices } from '../src/compose.ts';
import type { RemoteBlockDevice } from '../src/device/remote-block-device.ts';
import type { EndpointMemory, EndpointObserver } from '../src/endpoint/endpoint-memory.ts';
import type { EndpointState } from '../src/endpoint/endpoint-state.ts';
import { SharedTransport } from '../src/endpoint/shared-transport.ts';
import { TestRequest } from './test-request.ts';
import { turn } from './virtual-device.ts';

/** How a rig is made. */
export interface LossRigOptions {
  readonly seed?: number;
  readonly sizeBytes?: number;
  /** Options of the driver besides the required ones. */
  readonly options?: readonly string[];
  /** On frames in both directions. */
  readonly faults?: Partial<DirectionFaults>;
}

/**
 * The driver from its devices down to a simulated wire, as `composeDevices` joins it, and an endpoint
 * at the other end that can be ended and started again, all in virtual time.
 */
export class LossRig {
  readonly clock: VirtualClock = new VirtualClock();
  readonly network: MemoryNetwork;
  readonly memory: EndpointMemory;
  readonly devices: readonly RemoteBlockDevice[];
  /** What the endpoint holds, until it loses it. */
  contents: ArrayMemory;
  /** What was told of the endpoint, in order. */
  readonly told: string[] = [];
  readonly #sizeBytes: number;
  readonly #ports: readonly [MemoryTransport, MemoryTransport];
  readonly #endpointPort: SharedTransport;
  #endpoint: Endpoint | undefined = undefined;

  constructor({ seed = 1, sizeBytes = 2 ** 18, options = [], faults = {} }: LossRigOptions = {}) {
    this.#sizeBytes = sizeBytes;
    this.contents = new ArrayMemory(sizeBytes);
    this.network = new MemoryNetwork(this.clock, new Prng(seed).fork('network'));
    this.#ports = [this.network.attach({ mac: MAC_A }), this.network.attach({ mac: MAC_B })];
    this.setFaults(faults);
    this.#endpointPort = new SharedTransport(this.#ports[1], () => {});
    const given = ['--netdev=x', `--mac=${formatMac(MAC_B)}`, `--size=${sizeBytes}`, ...options];
    const commandLine = readCommandLine(given);
    if (commandLine.kind !== 'run') throw new Error(JSON.stringify(commandLine));
    const ports = {
      transport: this.#ports[0],
      clock: this.clock,
      failures: { requestFailed: () => {} },
    };
    const { memory, shown } = composeDevices(commandLine.options, ports, this.#observer());
    this.memory = memory;
    this.devices = shown.map(({ device }) => device);
  }

  get device(): RemoteBlockDevice {
    return this.devices[0] as RemoteBlockDevice;
  }

  /** Starts the endpoint, in place of the one that there was. */
  startEndpoint(contents: ArrayMemory = this.contents): void {
    this.endEndpoint();
    this.contents = contents;
    this.#endpoint = composeEndpoint(
      { sizeBytes: this.#sizeBytes, memory: contents },
      { transport: this.#endpointPort.lease(), clock: this.clock },
    );
    this.#endpoint.start();
  }

  /** A memory that was never written. */
  emptyMemory(): ArrayMemory {
    return new ArrayMemory(this.#sizeBytes);
  }

  /** Like a power cut. */
  endEndpoint(): void {
    this.#endpoint?.close();
    this.#endpoint = undefined;
  }

  /** Starts an endpoint whose link and responder are in the hands of the test. */
  startPeer(): MemoryPeer {
    this.endEndpoint();
    const place = { transport: this.#endpointPort.lease(), clock: this.clock, peerMac: MAC_A };
    return new MemoryPeer(this.contents, place, {
      link: { grantExponents: [0, 12, 12, 12, 12, 12] },
    });
  }

  /** Faults of both directions from now on. */
  setFaults(faults: Partial<DirectionFaults>): void {
    for (const { port } of this.#ports) {
      this.network.simulator.setFaults(port, { ...NO_FAULTS, ...faults });
    }
  }

  /** The wire is cut, both ways. */
  setCut(isCut: boolean): void {
    const script = isCut ? [{ kind: 'cut', from: 0, until: Infinity } as const] : [];
    this.setFaults({ script });
  }

  /** The driver hears nothing. */
  setDeaf(isDeaf: boolean): void {
    const script = isDeaf ? [{ kind: 'cut', from: 0, until: Infinity } as const] : [];
    this.network.simulator.setFaults(this.#ports[1].port, { ...NO_FAULTS, script });
  }

  /** By the driver. */
  get framesSent(): number {
    return this.#ports[0].counts.sent;
  }

  async open(): Promise<void> {
    this.startEndpoint();
    void this.memory.open(5 * SECOND);
    await this.until(() => this.memory.state === 'serving');
  }

  submit(command: BlockCommand, offset: number, data: Uint8Array | number): TestRequest {
    const isRead = typeof data === 'number';
    const request = new TestRequest(command, offset, isRead ? data : data.length);
    if (!isRead) request.data.set(data);
    this.device.submit(request);
    this.device.kick();
    return request;
  }

  /** Submits, and lets time go on until it is done. */
  async done(
    command: BlockCommand,
    offset: number,
    data: Uint8Array | number,
  ): Promise<TestRequest> {
    const request = this.submit(command, offset, data);
    await this.until(() => request.isDone);
    return request;
  }

  /** Lets one thing happen, and promises settle where there are some. */
  async step(): Promise<void> {
    if (this.clock.nextAt < Infinity) this.clock.advanceTo(this.clock.nextAt);
    if (HAS_PROMISES.has(this.memory.state)) await turn();
  }

  /** Lets time go on until `isReached`. */
  async until(isReached: () => boolean, limit: Micros = 120 * SECOND): Promise<void> {
    const deadline = this.clock.now() + limit;
    await turn();
    while (!isReached()) {
      if (this.clock.nextAt > deadline)
        throw new Error(`it does not come to it: ${this.told.join('; ')}`);
      await this.step();
    }
  }

  async untilState(state: EndpointState): Promise<void> {
    await this.until(() => this.memory.state === state);
  }

  /** Lets time go on for so long. */
  async pass(micros: Micros): Promise<void> {
    const deadline = this.clock.now() + micros;
    while (this.clock.nextAt <= deadline) await this.step();
    this.clock.advanceTo(deadline);
    await turn();
  }

  async close(): Promise<void> {
    const closing = this.memory.close();
    await this.pass(SECOND);
    await closing;
    this.endEndpoint();
    this.network.close();
  }

  #observer(): EndpointObserver {
    const tell = (text: string): void => void this.told.push(text);
    return {
      onLost: () => tell('lost'),
      onRecovered: () => tell('recovered'),
      onStillLost: (why) => tell(`still lost: ${why}`),
      onGivenUp: (why) => tell(`given up: ${why}`),
      onStranded: (why) => tell(`stranded: ${why}`),
      onProven: () => tell('proven'),
      onDisproved: (reason) => tell(`disproved: ${reason}`),
      onEnded: (error) => tell(`ended: ${error.message}`),
    };
  }
}

const HAS_PROMISES: ReadonlySet<EndpointState> = new Set(['unopened', 'opening', 'proving']);
