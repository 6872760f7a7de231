/**
 * A kernel block device on remote memory: the project's own endpoint and driver over a veth pair,
 * and the driver's kernel devices.
 */
import { expect } from 'vitest';
import type { LabProgram, ProgramResult } from '../lab-program.ts';
import { driverCommand, endpointCommand, OxmemLab, SHUTDOWN_LINES } from '../oxmem-lab.ts';
import type { LabOptions } from '../oxmem-lab.ts';
import type { Need } from '../requires.ts';
import {
  disconnect,
  freeDevices,
  isAttached,
  PATIENCE_MS,
  settle,
  until,
} from './kernel-programs.ts';
import { releaseDevice } from './release-device.ts';

/** What every test with a kernel device needs; the commands it runs come on top. */
export const deviceNeeds: readonly Need[] = [
  'real-root',
  'netns',
  'nbd',
  'raw-socket',
  'command:nbd-client',
  'command:blockdev',
];

/** For drivers in the guest, where a start takes seconds and a frame may wait for its processor. */
export const patientDriver = ['--open-timeout=30s', '--request-timeout=30s'] as const;

/** Jumbo frames: what a wire carries is not the point of most tests, and larger frames are fewer. */
const mtuBytes = 9000;
const largeRequests = '--max-request=4096';

/** Where in the lab an endpoint listens. */
export interface EndpointPlace {
  readonly program: LabProgram;
  readonly mac: string;
  readonly size: string;
}

/** What a driver is started with; all else is `args`. */
export interface ServeOptions {
  /** The endpoint. Default: the one started last. */
  readonly endpoint?: EndpointPlace;
  /** Which interface of the near end. Default 0. */
  readonly place?: number;
  /** Default: the size of the endpoint. */
  readonly size?: string;
  /** How many devices. Default 1. */
  readonly count?: number;
  /** The first device. Default: the first free one. */
  readonly device?: string;
  readonly args?: readonly string[];
}

/** One device of a driver, as its ready line has it. */
export interface ReadyDevice {
  readonly path: string;
  readonly sizeBytes: number;
  readonly base: bigint;
}

/** A driver that serves kernel devices. */
export interface DeviceDriver {
  readonly program: LabProgram;
  readonly devices: readonly ReadyDevice[];
  /** Path of the first one. */
  readonly path: string;
}

/** See the head of this file. One for each test, or for several that leave the devices free. */
export class DeviceLab {
  readonly lab: OxmemLab;
  readonly #drivers: DeviceDriver[] = [];
  #endpoint: EndpointPlace | undefined;

  private constructor(lab: OxmemLab) {
    this.lab = lab;
  }

  static async open(options: LabOptions = {}): Promise<DeviceLab> {
    return new DeviceLab(await OxmemLab.open({ mtuBytes, patienceMs: PATIENCE_MS, ...options }));
  }

  /**
   * Starts an endpoint in the second namespace.
   *
   * @param size the same as `--size` has it
   */
  async startEndpoint(size: string, args: readonly string[] = []): Promise<EndpointPlace> {
    const program = await this.lab.startEndpoint(size, args);
    this.#endpoint = { program, mac: this.lab.wire.peer.mac, size };
    return this.#endpoint;
  }

  /**
   * Starts an endpoint at one of several places of the lab, which a bridge joins.
   *
   * Frames go past the queueing discipline of the interface they are sent on; the ports of the
   * bridge, `wirePorts`, send what they forward through theirs, so that is where netem does its work.
   */
  async startEndpointAt(place: number, size: string): Promise<EndpointPlace> {
    const { name, mac } = this.lab.place(place);
    const program = this.lab.start([...endpointCommand, `--netdev=${name}`, `--size=${size}`]);
    await program.waitFor('stdout', /^ready: endpoint .*$/m, PATIENCE_MS);
    this.#endpoint = { program, mac, size };
    return this.#endpoint;
  }

  /** Starts a driver and waits until its devices are ready. */
  async serve(options: ServeOptions = {}): Promise<DeviceDriver> {
    const { count = 1 } = options;
    const program = this.startDriver(options);
    await this.lab.waitUntilReady(program);
    await until(`${count} ready lines`, () => readyDevices(program.stdout).length >= count);
    const devices = readyDevices(program.stdout);
    const driver = { program, devices, path: devices[0]!.path };
    this.#drivers.push(driver);
    return driver;
  }

  /** Starts a driver and waits for nothing. */
  startDriver(options: ServeOptions = {}): LabProgram {
    const { endpoint = this.#endpoint, place = 0, count = 1, args = [] } = options;
    if (endpoint === undefined) throw new Error('the lab has no endpoint');
    const { size = endpoint.size, device = freeDevices(count)[0]! } = options;
    return this.lab.start([
      ...driverCommand,
      `--netdev=${this.lab.place(place).name}`,
      `--mac=${endpoint.mac}`,
      `--size=${size}`,
      `--device=${device}`,
      ...(count === 1 ? [] : [`--num=${count}`]),
      ...(this.lab.wire.mtuBytes >= mtuBytes ? [largeRequests] : []),
      ...patientDriver,
      ...args,
    ]);
  }

  /** Stops a driver in good order: it says so, ends well, and its devices are free. */
  async stop(
    { program, devices }: DeviceDriver,
    signal: NodeJS.Signals = 'SIGTERM',
  ): Promise<ProgramResult> {
    program.kill(signal);
    const result = await endInGoodOrder(program);
    for (const { path } of devices) expect(isAttached(path), `${path} is attached`).toBe(false);
    await settle();
    return result;
  }

  /**
   * Everything off the devices, drivers stopped, devices free: for the end of each test, however it
   * ended.
   */
  async release(): Promise<void> {
    await settle();
    for (const { program, devices } of this.#drivers.splice(0).toReversed()) {
      program.kill('SIGCONT');
      const paths = devices.map(({ path }) => path);
      // Where nobody serves it any more, what waits for the device has to fail first.
      if (program.end !== undefined) for (const path of paths) await disconnect(path);
      for (const path of paths) await releaseDevice(path);
      if (program.end === undefined) await program.stop('SIGTERM', PATIENCE_MS);
      for (const path of paths) {
        await disconnect(path);
        await until(`${path} is free`, () => !isAttached(path));
      }
    }
  }

  /** The same, and the end of the lab. */
  async close(): Promise<void> {
    try {
      await this.release();
    } finally {
      await this.lab.close();
    }
  }
}

/** Waits for a driver that was told to stop: it ends well, and its last lines say how. */
export async function endInGoodOrder(program: LabProgram): Promise<ProgramResult> {
  const result = await program.waitForEnd(PATIENCE_MS);
  expect(result, program.describe()).toMatchObject({ code: 0, signal: null });
  const [closing, , complete] = SHUTDOWN_LINES;
  // An emulated endpoint may be too slow for the half second that it has to confirm.
  const farewell = expect.stringMatching(/^Disconnect packet (sent successfully$|not confirmed: )/);
  const lines = result.stdout.trim().split('\n').slice(-3);
  expect(lines).toEqual([closing, farewell, complete]);
  return result;
}

/** The ports of a lab's bridge, in its second namespace. */
export function wirePorts(lab: OxmemLab): string[] {
  return lab.wire.locals.map((_, index) => `${lab.wire.peer.name}p${index}`);
}

/** What a driver's ready lines say, in their order. */
export function readyDevices(stdout: string): ReadyDevice[] {
  const pattern = /^ready: (\/dev\/\S+) (\d+) bytes at (0x[0-9a-f]+) on \S+ via \S+$/gm;
  return [...stdout.matchAll(pattern)].map(([, path = '', sizeBytes, base = '0']) => ({
    path,
    sizeBytes: Number(sizeBytes),
    base: BigInt(base),
  }));
}
