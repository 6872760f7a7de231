import { deviceIndex } from '../device-facts.ts';
import { becomesTrue, machineClock } from '../device-clock.ts';
import type { DeviceClock } from '../device-clock.ts';
import type { FileReader } from '../file-reader.ts';
import type { NativeBinding, NetlinkDevice } from '../native-binding.ts';
import type { NbdMachine } from '../nbd-machine.ts';
import { MockDevice } from './mock-device.ts';
import { mockFiles } from './mock-files.ts';
import { MockNode } from './mock-node.ts';
import { MockStream } from './mock-stream.ts';
import type { KernelEnd, Schedule } from './mock-stream.ts';
import { nativeError } from './native-error.ts';

/** What a mock of the kernel is made of. */
export interface MockKernelOptions {
  /** Devices that the module begins with. Default 4. */
  readonly devices?: number;
  /** Default setImmediate. */
  readonly schedule?: Schedule;
  /** Default the machine's. */
  readonly clock?: DeviceClock;
}

/** A kernel with the nbd driver, without a kernel: the native binding's double and its files. */
export class MockKernel {
  /** The driver is there. */
  isModuleLoaded = true;
  /** The netlink family can be seen. */
  hasNetlink = true;
  /** The caller has CAP_SYS_ADMIN. */
  isPermitted = true;
  /** The caller may open the nodes. */
  isNodeAccessible = true;
  readonly devices: Map<number, MockDevice> = new Map<number, MockDevice>();
  readonly binding: NativeBinding;
  readonly files: FileReader;
  readonly machine: NbdMachine;
  readonly #schedule: Schedule;
  readonly #streams = new Map<number, MockStream>();
  readonly #watchers = new Set<(index: number) => void>();
  #descriptors = 100;

  constructor(options: MockKernelOptions = {}) {
    this.#schedule = options.schedule ?? setImmediate;
    for (let i = 0; i < (options.devices ?? 4); i++) this.#addDevice(i);
    this.binding = this.#makeBinding();
    this.files = mockFiles(this);
    const { binding, files } = this;
    this.machine = { binding, files, clock: options.clock ?? machineClock };
  }

  /** One of the devices. */
  device(index: number): MockDevice {
    const device = this.devices.get(index);
    if (device === undefined) throw new RangeError(`the mock kernel has no device ${index}`);
    return device;
  }

  #makeBinding(): NativeBinding {
    return {
      hasNetlinkFamily: () => this.isModuleLoaded && this.hasNetlink,
      netlinkConnect: async (device) => this.#connect(device),
      netlinkReconfigure: async (device) => this.#reconfigure(device),
      netlinkDisconnect: async (index) => this.#netlinkDevice('DISCONNECT', index).disconnectNow(),
      netlinkStatus: async (index) =>
        [...this.devices.values()]
          .filter((device) => index === undefined || device.index === index)
          .map((device) => ({ index: device.index, isConnected: isInUse(device) })),
      watchLinks: (onLinkDead) => {
        if (!this.hasNetlink) throw nativeError('CTRL_CMD_GETFAMILY', 'ENOENT');
        this.#watchers.add(onLinkDead);
        return { close: () => void this.#watchers.delete(onLinkDead) };
      },
      openDevice: (path) => this.#openDevice(path),
      createStream: (options) => {
        if (options.socket !== undefined) throw nativeError('fcntl', 'EBADF');
        const descriptor = this.#descriptors++;
        const stream = new MockStream(descriptor, options, this.#schedule);
        this.#streams.set(descriptor, stream);
        return stream;
      },
      scanNode: async (path) => {
        const device = this.#node(path);
        if (device.pid === undefined) return;
        device.partitionScans++;
        await device.read(0, SCAN_BYTES).catch(() => undefined);
      },
      flushNode: async (path) => void (await this.#node(path).flush()),
      endNode: (path, drainMillis) => this.#endNode(path, drainMillis),
    };
  }

  #connect(given: NetlinkDevice): number {
    const call = 'NBD_CMD_CONNECT';
    this.#checkNetlink(call);
    const { sockets = [], sizeBytes, flags = 0, blockBytes = 1024 } = given;
    if (sockets.length === 0 || sizeBytes === undefined) throw nativeError(call, 'EINVAL');
    if (sockets.length > 1 && (flags & CAN_MULTI_CONN) === 0) throw nativeError(call, 'EINVAL');
    const index = given.index ?? this.#freeIndex();
    if (index > MAX_INDEX) throw nativeError(call, 'EINVAL');
    const device = this.devices.get(index) ?? this.#addDevice(index);
    if (isInUse(device)) throw nativeError(call, 'EBUSY');
    for (const descriptor of sockets) device.addSocket(this.#endOf(call, descriptor));
    device.way = 'netlink';
    device.config = {
      sizeBytes,
      blockBytes,
      flags,
      timeoutSeconds: given.timeoutSeconds ?? 0,
      deadConnectionSeconds: given.deadConnectionSeconds ?? 0,
      backendIdentifier: given.backendIdentifier,
    };
    device.pid = process.pid;
    return index;
  }

  #reconfigure(given: NetlinkDevice): void {
    const call = 'NBD_CMD_RECONFIGURE';
    const device = this.#netlinkDevice('RECONFIGURE', given.index ?? -1);
    const { config } = device;
    if (device.way !== 'netlink' || config === undefined) throw nativeError(call, 'EINVAL');
    if (config.backendIdentifier !== given.backendIdentifier) throw nativeError(call, 'EINVAL');
    config.deadConnectionSeconds = given.deadConnectionSeconds ?? config.deadConnectionSeconds;
    config.timeoutSeconds = given.timeoutSeconds ?? config.timeoutSeconds;
    config.sizeBytes = given.sizeBytes ?? config.sizeBytes;
    for (const descriptor of given.sockets ?? []) {
      device.replaceDeadSocket(this.#endOf(call, descriptor));
    }
  }

  #openDevice(path: string): MockNode {
    const device = this.#node(path);
    if (!this.isPermitted) throw nativeError('NBD_SET_SOCK', 'EPERM');
    return new MockNode(device, (descriptor) => this.#streams.get(descriptor)?.kernelEnd);
  }

  async #endNode(path: string, drainMillis: number): Promise<void> {
    const device = this.#node(path);
    if (!this.isPermitted) throw nativeError('NBD_DISCONNECT', 'EPERM');
    device.sayDisconnect();
    await becomesTrue(this.machine.clock, drainMillis, () => device.requestsInFlight === 0);
    device.dropConfiguration();
  }

  #node(path: string): MockDevice {
    const device = this.devices.get(deviceIndex(path) ?? -1);
    if (device === undefined || !this.isModuleLoaded) throw nativeError('open', 'ENOENT');
    if (!this.isNodeAccessible) throw nativeError('open', 'EACCES');
    return device;
  }

  #netlinkDevice(command: string, index: number): MockDevice {
    const call = `NBD_CMD_${command}`;
    this.#checkNetlink(call);
    const device = this.devices.get(index);
    if (device === undefined) throw nativeError(call, 'EINVAL');
    return device;
  }

  #checkNetlink(call: string): void {
    if (!this.isModuleLoaded || !this.hasNetlink) {
      throw nativeError('CTRL_CMD_GETFAMILY', 'ENOENT');
    }
    if (!this.isPermitted) throw nativeError(call, 'EPERM');
  }

  #endOf(call: string, descriptor: number): KernelEnd {
    const end = this.#streams.get(descriptor)?.kernelEnd;
    if (end === undefined) throw nativeError(call, 'EINVAL');
    return end;
  }

  #freeIndex(): number {
    for (let index = 0; ; index++) {
      const device = this.devices.get(index);
      if (device === undefined || !isInUse(device)) return index;
    }
  }

  #addDevice(index: number): MockDevice {
    const device = new MockDevice(index, this.#schedule, (dead) => {
      for (const tell of this.#watchers) this.#schedule(() => tell(dead));
    });
    this.devices.set(index, device);
    return device;
  }
}

/** The driver has a configuration for it, if only because the node is open. */
function isInUse(device: MockDevice): boolean {
  return device.pid !== undefined || device.openers.size > 0;
}

const CAN_MULTI_CONN = 0x100;
const MAX_INDEX = 1 << 16;
const SCAN_BYTES = 4096;
