import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { MockKernel } from '@oxmem/nbd-kernel/mock';
import { RawSocket } from '@oxmem/rawsock';
import { MockNetwork, type MockInterface } from '@oxmem/rawsock/mock';
import { composeEndpoint, type Endpoint, type EndpointOptions } from '@oxmem/sim-endpoint';
import { DEFAULT_ETHER_TYPE } from '@oxmem/tloe-protocol';
import { formatMac } from '@oxmem/tloe-protocol/text';
import { VirtualClock } from '@oxmem/tloe-protocol/testing';

import { readCommandLine } from '../src/cli/program.ts';
import { createLogger } from '../src/observe/logger.ts';
import { LeftoverFiles } from '../src/runtime/leftover-files.ts';
import { runDriver } from '../src/runtime/run-driver.ts';
import { StopRequest } from '../src/runtime/stop-request.ts';
import { until } from './real-turns.ts';

export const RIG_SIZE: number = 2 ** 20;

/** One run of the driver. */
export interface RigDriver {
  readonly stop: StopRequest;
  readonly printed: string[];
  readonly logged: string[];
  /** How it ended. */
  end: { readonly failure: unknown } | undefined;
}

/**
 * Whole drivers with kernel devices, but for the process around them: a kernel without a kernel, a
 * wire without a wire, virtual time.
 */
export class DriverRig {
  readonly kernel: MockKernel = new MockKernel();
  readonly clock: VirtualClock = new VirtualClock();
  /** What the machine's clock said when virtual time began. */
  originUnixMicros = 0;
  readonly runFolder: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'oxmem-rig-'));
  readonly #network = new MockNetwork();
  readonly #endpointInterface: MockInterface;
  readonly #drivers: RigDriver[] = [];
  #endpoint: Endpoint | undefined = undefined;

  constructor() {
    this.runFolder = join(this.#folder, 'run');
    this.#network.addInterface({ name: 'drv0' });
    this.#endpointInterface = this.#network.addInterface({ name: 'end0' });
  }

  /** Starts an endpoint with a memory of its own, in place of the one that there was. */
  startEndpoint(options: Partial<EndpointOptions> = {}): Endpoint {
    this.#endpoint?.close();
    const transport = RawSocket.open(
      { interfaceName: 'end0', etherType: DEFAULT_ETHER_TYPE },
      this.#network.binding,
    );
    const { clock } = this;
    this.#endpoint = composeEndpoint({ sizeBytes: RIG_SIZE, ...options }, { transport, clock });
    this.#endpoint.start();
    return this.#endpoint;
  }

  /** Starts a driver of the whole memory, with `extra` options. */
  start(...extra: readonly string[]): RigDriver {
    const mac = formatMac(this.#endpointInterface.mac);
    const given = ['--netdev=drv0', `--mac=${mac}`, `--size=${RIG_SIZE}`, ...extra];
    const commandLine = readCommandLine(given);
    if (commandLine.kind !== 'run') throw new Error(JSON.stringify(commandLine));
    const driver: RigDriver = {
      stop: new StopRequest(),
      printed: [],
      logged: [],
      end: undefined,
    };
    const logger = createLogger('info', 'json', {
      write: (line) => driver.logged.push((JSON.parse(line) as { msg: string }).msg),
    });
    const ports = {
      clock: this.clock,
      originUnixMicros: 0,
      unixMicros: () => this.originUnixMicros + this.clock.now(),
      logger,
      print: (line: string) => driver.printed.push(line),
      environment: {},
      leftovers: new LeftoverFiles(),
      binding: this.#network.binding,
      machine: this.kernel.machine,
      runFolder: this.runFolder,
      askToHandOver: () => false,
    };
    runDriver(commandLine.options, ports, driver.stop).then(
      () => (driver.end = { failure: undefined }),
      (failure: unknown) => (driver.end = { failure }),
    );
    this.#drivers.push(driver);
    return driver;
  }

  /** The same, until it is ready. */
  async startReady(...extra: readonly string[]): Promise<RigDriver> {
    const driver = this.start(...extra);
    await this.until(() => driver.printed.length > 0 || driver.end !== undefined);
    if (driver.end !== undefined) throw driver.end.failure;
    return driver;
  }

  /** Waits for the end of a driver. @returns why it failed, undefined if it did not */
  async endOf(driver: RigDriver): Promise<unknown> {
    await this.until(() => driver.end !== undefined);
    return driver.end?.failure;
  }

  until(isReached: () => boolean): Promise<void> {
    return until(this.clock, isReached);
  }

  /** Lets time go on until a promise is settled. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const note = (): void => {
      isSettled = true;
    };
    promise.then(note, note);
    await this.until(() => isSettled);
    return await promise;
  }

  /** Stops what still runs and removes all files. */
  async close(): Promise<void> {
    for (const driver of this.#drivers) {
      driver.stop.request();
      driver.stop.request();
      await this.endOf(driver);
    }
    this.#endpoint?.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
