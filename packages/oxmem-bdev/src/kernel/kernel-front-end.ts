import {
  checkAttachable,
  deviceFacts,
  deviceIndex,
  usersOf,
  type NbdMachine,
} from '@oxmem/nbd-kernel';
import { NbdExport } from '@oxmem/nbd-protocol';
import { SECOND, type Micros } from '@oxmem/tloe-protocol';
import { formatAddress, formatMac } from '@oxmem/tloe-protocol/text';

import type { Options } from '../cli/options.ts';
import type { DeviceSlice } from '../device/device-slices.ts';
import type { RemoteBlockDevice } from '../device/remote-block-device.ts';
import { DriverError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import type { FrontEnd, ReadyPlace } from '../runtime/front-end.ts';
import type { LeftoverFiles } from '../runtime/leftover-files.ts';
import { pinWitnesses } from '../runtime/swap-guard.ts';
import type { ContentWitness, Sample } from '../witness/content-witness.ts';
import type { Proof } from '../witness/prove-contents.ts';
import { deviceFailure, endFailure } from './device-failure.ts';
import { detachCommands, hasPredecessor } from './device-server.ts';
import { backendIdentifier, devicePathOf, kernelPatienceSeconds } from './device-terms.ts';
import { DeviceTraces } from './device-traces.ts';
import { KernelDevice } from './kernel-device.ts';

/** A device to be shown, which part of the memory it is, and who remembers what it holds. */
export interface ShownDevice {
  readonly slice: DeviceSlice;
  readonly device: RemoteBlockDevice;
  readonly witness: ContentWitness;
}

/** What a KernelFrontEnd needs of its surroundings. */
export interface KernelFrontEndPorts {
  readonly machine: NbdMachine;
  readonly logger: Logger;
  readonly leftovers: LeftoverFiles;
  /** Folder for what a successor needs. */
  readonly runFolder: string;
  /** Compares what the endpoint holds with what a former driver has seen. */
  readonly prove: (slice: DeviceSlice, samples: readonly Sample[]) => Promise<Proof>;
}

interface Place {
  readonly shown: ShownDevice;
  readonly kernel: KernelDevice;
  /** Known when the device is, which with `auto` is when it is attached. */
  traces: DeviceTraces | undefined;
}

/** The memory as block devices of the kernel: /dev/nbdN and its successors. */
export class KernelFrontEnd implements FrontEnd {
  readonly ended: Promise<DriverError | undefined>;
  readonly #options: Options;
  readonly #ports: KernelFrontEndPorts;
  readonly #places: readonly Place[];
  #tellEnd: (end: DriverError | undefined) => void = () => {};
  #serving = 0;
  /** For which I/O waits for a successor; 0: there can be none. */
  #successorSeconds: number;

  constructor(options: Options, shown: readonly ShownDevice[], ports: KernelFrontEndPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#successorSeconds = options.restartWait / SECOND;
    this.#places = shown.map((each) => ({
      shown: each,
      kernel: this.#kernelDevice(each),
      traces: undefined,
    }));
    this.ended = new Promise((resolve) => {
      this.#tellEnd = resolve;
    });
  }

  get canHandOver(): boolean {
    return (
      this.#successorSeconds > 0 && this.#places.every(({ kernel }) => kernel.way === 'netlink')
    );
  }

  async start(): Promise<readonly ReadyPlace[]> {
    try {
      checkDevices(this.#options, this.#ports);
      const orphans = this.#options.takeover ? this.#orphans() : new Set<Place>();
      const known = await this.#proveAll(orphans);
      for (const place of this.#places) {
        await this.#attach(place, orphans.has(place), known.get(place) ?? []);
      }
      if (this.#options.swap) this.#pinWitnesses();
    } catch (thrown) {
      throw deviceFailure(thrown);
    }
    return this.#places.map(({ shown: { slice }, kernel }) => ({
      name: kernel.path,
      sizeBytes: slice.sizeBytes,
      firstByte: slice.firstByte,
    }));
  }

  async describeUsers(): Promise<string | undefined> {
    const users = await Promise.all(this.#places.map(({ kernel }) => kernel.users()));
    return users.filter((text) => text !== undefined).join('; ') || undefined;
  }

  async handOver(): Promise<void> {
    await Promise.all(
      this.#places.map(async ({ kernel, traces }) => {
        await kernel.handOver();
        traces?.leave();
      }),
    );
  }

  async stop(graceMicros: Micros): Promise<void> {
    const millis = graceMicros / 1000;
    const times = {
      flushMillis: millis,
      drainMillis: Math.max(millis, LEAST_DRAIN_MILLIS),
      // In a hurry nobody waits for those who have it open: the endpoint is still to be told.
      ...(millis === 0 && { releaseMillis: HURRIED_RELEASE_MILLIS }),
    };
    await Promise.all(
      this.#places.map(async ({ kernel, traces }) => {
        const result = await kernel.detach(times);
        traces?.remove();
        if (result === undefined || result.isReleased || result.facts === undefined) return;
        const users = usersOf({ ...result.facts, attachedPid: undefined });
        this.#ports.logger.warn(
          `${kernel.path} is detached, but stays as it is until it is closed: ` +
            `${users ?? 'somebody has it open'}`,
        );
      }),
    );
  }

  /** Devices that the kernel still has from a former driver of the same memory. */
  #orphans(): Set<Place> {
    const { machine, runFolder } = this.#ports;
    const detachCommand = detachCommands(runFolder, machine.files);
    return new Set(
      this.#places.filter(({ shown, kernel }) => {
        const index = deviceIndex(kernel.path);
        if (index === undefined) return false;
        const facts = deviceFacts(index, machine.files);
        const identifier = backendIdentifier(this.#options, shown.slice);
        return hasPredecessor(facts, identifier, detachCommand);
      }),
    );
  }

  /**
   * @returns what is known to be true of the orphans
   * @throws DriverError ERR_OXMEM_NO_PROOF; the orphans are disconnected then, so that I/O to them
   *         fails instead of waiting
   */
  async #proveAll(orphans: ReadonlySet<Place>): Promise<Map<Place, Sample[]>> {
    const { machine, prove } = this.#ports;
    const known = new Map<Place, Sample[]>();
    for (const place of orphans) {
      const { shown, kernel } = place;
      const samples = this.#tracesOf(kernel.path).samples();
      const proof = await prove(shown.slice, samples);
      known.set(place, samples);
      if (proof.isProven) continue;
      for (const orphan of orphans) {
        await machine.binding.netlinkDisconnect(deviceIndex(orphan.kernel.path) as number);
        this.#tracesOf(orphan.kernel.path).removeFormer();
      }
      throw new DriverError(
        'ERR_OXMEM_NO_PROOF',
        `${kernel.path} is not taken over: nothing proves that the endpoint holds what was ` +
          `written, ${proof.reason}. Its users get I/O errors now: unmount it, start oxmem-bdev ` +
          'again, and check or make anew what was on it.',
      );
    }
    return known;
  }

  async #attach(place: Place, isTakeOver: boolean, known: readonly Sample[]): Promise<void> {
    const { shown, kernel } = place;
    const { files } = this.#ports.machine;
    if (deviceIndex(kernel.path) !== undefined) this.#beginWitness(place, known);
    await kernel.attach(isTakeOver, this.#successorSeconds);
    this.#serving++;
    void kernel.ended.then((end) => this.#onDeviceEnded(endFailure(kernel.path, end)));
    if (place.traces === undefined) this.#beginWitness(place, known);
    const { mac, netdev, readOnly, blockSize } = this.#options;
    const problem = place.traces?.writeRecord(
      {
        sizeBytes: shown.slice.sizeBytes,
        base: formatAddress(shown.slice.base),
        mac: formatMac(mac),
        netdev,
        way: kernel.way ?? 'ioctl',
        identifier: backendIdentifier(this.#options, shown.slice),
        readOnly,
        blockBytes: blockSize,
      },
      files,
    );
    if (problem === undefined) return;
    this.#ports.logger.warn(
      `${this.#ports.runFolder} cannot be written (${problem}): oxmem-bdev status will not know ` +
        `${kernel.path}`,
    );
  }

  #beginWitness(place: Place, known: readonly Sample[]): void {
    place.traces = this.#tracesOf(place.kernel.path);
    if (this.#successorSeconds === 0) return;
    const problem = place.traces.beginWitness(place.shown.witness, known);
    if (problem === undefined) return;
    this.#successorSeconds = 0;
    this.#ports.logger.warn(
      `${this.#ports.runFolder} cannot be written (${problem}): no other driver can take ` +
        `${place.kernel.path} over when this one dies`,
    );
  }

  #pinWitnesses(): void {
    const devices = this.#places.map(({ kernel }) => kernel.path);
    pinWitnesses(this.#ports.runFolder, devices);
  }

  #tracesOf(path: string): DeviceTraces {
    return new DeviceTraces(path, this.#ports.runFolder, this.#ports.leftovers);
  }

  #onDeviceEnded(failure: DriverError | undefined): void {
    this.#serving--;
    if (failure !== undefined || this.#serving === 0) this.#tellEnd(failure);
  }

  #kernelDevice({ slice, device }: ShownDevice): KernelDevice {
    return new KernelDevice(
      {
        device: devicePathOf(this.#options, slice.index),
        attach: this.#options.attach,
        blockBytes: this.#options.blockSize,
        timeoutSeconds: kernelPatienceSeconds(this.#options),
        backendIdentifier: backendIdentifier(this.#options, slice),
        nbdExport: new NbdExport({ name: '', backend: device }),
        logger: this.#ports.logger,
      },
      this.#ports.machine,
    );
  }
}

/**
 * Looks whether the kernel could give us all the devices, before the first one is touched.
 *
 * @throws NbdDeviceError
 */
function checkDevices(options: Options, { machine, runFolder }: KernelFrontEndPorts): void {
  const { attach, takeover, num } = options;
  const detachCommand = detachCommands(runFolder, machine.files);
  for (let index = 0; index < num; index++) {
    const device = devicePathOf(options, index);
    checkAttachable({ device, attach, isTakeOver: takeover, detachCommand }, machine);
  }
}

const LEAST_DRAIN_MILLIS = 200;
const HURRIED_RELEASE_MILLIS = 500;
