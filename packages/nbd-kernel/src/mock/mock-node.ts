import type { IoctlDevice, NativeDevice } from '../native-binding.ts';
import type { MockDevice } from './mock-device.ts';
import type { KernelEnd } from './mock-stream.ts';
import { nativeError } from './native-error.ts';

/** An open node of a mock device: the ioctl interface, with the driver's rules. */
export class MockNode implements NativeDevice {
  readonly #device: MockDevice;
  readonly #endOf: (descriptor: number) => KernelEnd | undefined;
  readonly #release: () => void;
  #hasSocket = false;

  constructor(device: MockDevice, endOf: (descriptor: number) => KernelEnd | undefined) {
    this.#device = device;
    this.#endOf = endOf;
    this.#release = device.open({ pid: process.pid, command: 'node' });
  }

  configure(config: IoctlDevice): void {
    const { blockBytes, blocks, flags, timeoutSeconds } = config;
    if (this.#device.way === 'netlink') throw nativeError('NBD_SET_BLKSIZE', 'EINVAL');
    const isBlockSize = blockBytes >= 512 && blockBytes <= 4096 && !(blockBytes & (blockBytes - 1));
    if (!isBlockSize) throw nativeError('NBD_SET_BLKSIZE', 'EINVAL');
    this.#device.config = {
      sizeBytes: blocks * blockBytes,
      blockBytes,
      flags,
      timeoutSeconds,
      deadConnectionSeconds: 0,
      backendIdentifier: undefined,
    };
  }

  setSocket(descriptor: number): void {
    // The driver lets one task set up a device; here every open node stands for a task.
    const isOthers = this.#device.hasSockets && !this.#hasSocket;
    if (this.#device.way === 'netlink' || isOthers) throw nativeError('NBD_SET_SOCK', 'EBUSY');
    const end = this.#endOf(descriptor);
    if (end === undefined) throw nativeError('NBD_SET_SOCK', 'EBADF');
    this.#device.addSocket(end);
    this.#hasSocket = true;
  }

  async serve(): Promise<number> {
    if (!this.#hasSocket) throw new Error('the device has no socket');
    if (this.#device.pid !== undefined) {
      await this.clearSocket();
      return nativeError('NBD_DO_IT', 'EBUSY').errno;
    }
    this.#device.way = 'ioctl';
    return this.#device.serve(process.pid + 1);
  }

  async disconnect(): Promise<void> {
    this.#device.sayDisconnect();
  }

  async clearSocket(): Promise<void> {
    if (!this.#hasSocket) throw new Error('the device has no socket of ours');
    this.#device.clearSockets();
    this.#device.interrupt(0);
  }

  close(): void {
    this.#release();
  }
}
