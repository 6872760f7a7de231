import {
  attachDevice,
  type AttachOptions,
  type AttachWay,
  type DeviceEnd,
  type DetachResult,
  type DetachTimes,
  type NbdDevice,
  type NbdMachine,
} from '@oxmem/nbd-kernel';
import { TransmissionFlag, type NbdExport } from '@oxmem/nbd-protocol';

import type { Logger } from '../observe/logger.ts';
import { KernelConnection } from './kernel-connection.ts';

/** What a kernel device is attached with. */
export interface KernelDeviceOptions extends Pick<
  AttachOptions,
  'device' | 'attach' | 'blockBytes' | 'timeoutSeconds' | 'backendIdentifier'
> {
  /** What the device shows. */
  readonly nbdExport: NbdExport;
  readonly logger: Logger;
}

/**
 * One block device of the kernel, served by this process from `attach` to `detach`.
 *
 * Where the kernel drops the connection of a device that was attached by netlink (this process was
 * stopped for longer than the kernel is patient, for instance), it is given a new one as soon as no
 * request of the old one is with the device any more; the kernel then sends again what was open.
 */
export class KernelDevice {
  /** Settled when the device has ended, by whosever wish. */
  readonly ended: Promise<DeviceEnd>;
  readonly #options: KernelDeviceOptions;
  readonly #machine: NbdMachine;
  #device: NbdDevice | undefined = undefined;
  #connection: KernelConnection | undefined = undefined;
  #isDetaching = false;
  #attaching: Promise<NbdDevice> | undefined = undefined;
  readonly #givingUp = new AbortController();
  /** For which the kernel lets I/O wait when it has lost this process. */
  #successorSeconds = 0;
  #tellEnd: (end: DeviceEnd) => void = () => {};

  constructor(options: KernelDeviceOptions, machine: NbdMachine) {
    this.#options = options;
    this.#machine = machine;
    this.ended = new Promise((resolve) => {
      this.#tellEnd = resolve;
    });
  }

  /** Path of the node; before the device is attached, what was asked for. */
  get path(): string {
    return this.#device?.path ?? this.#options.device;
  }

  /** How it is attached; undefined before it is. */
  get way(): AttachWay | undefined {
    return this.#device?.way;
  }

  /** Who would lose data if it went away now, in words; undefined: nobody. */
  async users(): Promise<string | undefined> {
    return await this.#device?.users();
  }

  /**
   * Attaches the device and waits until it is usable, partitions included.
   *
   * @param isTakeOver        give a device that has lost its server a new one
   * @param successorSeconds  for which I/O waits for a successor when this process dies
   * @throws NbdDeviceError
   */
  async attach(isTakeOver: boolean, successorSeconds: number): Promise<void> {
    this.#successorSeconds = successorSeconds;
    this.#attaching = this.#attachNow(this.#options.device, isTakeOver);
    this.#follow(await this.#attaching);
  }

  /** Ends it; also to be called after it has ended by itself, and while it is being attached. */
  async detach(times: DetachTimes): Promise<DetachResult | undefined> {
    this.#isDetaching = true;
    this.#givingUp.abort();
    await this.#attaching?.catch(() => undefined);
    return await this.#device?.detach(times);
  }

  /** Leaves it to a successor, once what is open has been answered. */
  async handOver(): Promise<void> {
    this.#isDetaching = true;
    await this.#attaching?.catch(() => undefined);
    this.#connection?.shutdown();
    await this.#connection?.released;
    this.#device?.abandon();
  }

  #attachNow(path: string, isTakeOver: boolean): Promise<NbdDevice> {
    const { nbdExport, logger: _, ...options } = this.#options;
    return attachDevice(
      {
        ...options,
        device: path,
        sizeBytes: nbdExport.backend.sizeBytes,
        flags: nbdExport.flags & KERNEL_FLAGS,
        isTakeOver,
        deadConnectionSeconds: this.#successorSeconds,
        signal: this.#givingUp.signal,
        onStream: (stream) => {
          this.#connection = new KernelConnection(stream, nbdExport);
        },
      },
      this.#machine,
    );
  }

  #follow(device: NbdDevice): void {
    this.#device = device;
    const connection = this.#connection as KernelConnection;
    connection.onDisconnect = () => device.noteDisconnect();
    void connection.released.then(({ text }) => {
      this.#options.logger.debug(`${device.path}: the kernel's connection is over: ${text}`);
    });
    void device.ended.then((end) => this.#onEnded(device, end));
  }

  async #onEnded(device: NbdDevice, end: DeviceEnd): Promise<void> {
    const isOrphan = end.reason === 'connectionLost' && device.way === 'netlink';
    if (this.#isDetaching || !isOrphan || this.#successorSeconds === 0) {
      this.#tellEnd(end);
      return;
    }
    // Nothing of the old connection may write any more when the kernel sends it again.
    await this.#connection?.released;
    if (this.#isDetaching) {
      this.#tellEnd(end);
      return;
    }
    device.abandon();
    try {
      // Whoever detaches meanwhile waits for it.
      this.#attaching = this.#attachNow(device.path, true);
      this.#follow(await this.#attaching);
      this.#options.logger.warn(`${device.path} was given a new connection: ${end.text}`);
    } catch (thrown) {
      this.#options.logger.error(
        `${device.path} could not be given a new connection: ${String(thrown)}`,
      );
      this.#tellEnd(end);
    }
  }
}

/**
 * What the kernel is told. No trimming, which would do nothing; no zeroing, for the kernel asks for
 * up to 4 GiB of zeros at a time and its patience is that of one request.
 */
const KERNEL_FLAGS: number =
  TransmissionFlag.HAS_FLAGS |
  TransmissionFlag.READ_ONLY |
  TransmissionFlag.SEND_FLUSH |
  TransmissionFlag.SEND_FUA;
