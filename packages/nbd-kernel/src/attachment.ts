import type { AttachWay } from './attach-strategy.ts';
import { devicePath } from './device-facts.ts';
import type { KernelStream } from './kernel-stream.ts';
import type { NativeBinding, NativeDevice } from './native-binding.ts';

/** What the kernel is told about a device. */
export interface AttachTerms {
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly flags: number;
  readonly timeoutSeconds: number;
  readonly deadConnectionSeconds: number;
  readonly backendIdentifier: string | undefined;
  readonly streams: readonly KernelStream[];
}

/** A device that the kernel has accepted, by one way or the other. */
export interface Attachment {
  readonly way: AttachWay;
  readonly index: number;
  /**
   * With ioctl: errno of NBD_DO_IT when it has returned and the sockets are cleared. With netlink
   * undefined: nothing of ours waits in the kernel.
   */
  readonly served: Promise<number> | undefined;
  /** Asks the kernel to disconnect. With netlink it has done so when this is settled. */
  disconnect(): Promise<void>;
  /** Ends it by force, for a server that does not close its end. */
  clear(): Promise<void>;
  close(): void;
}

/**
 * NBD_CMD_CONNECT, or NBD_CMD_RECONFIGURE for a device that lost its server.
 *
 * @param index  undefined: the kernel chooses
 * @throws NativeError
 */
export async function attachByNetlink(
  binding: NativeBinding,
  index: number | undefined,
  terms: AttachTerms & { readonly isTakeOver: boolean },
): Promise<Attachment> {
  const { streams, isTakeOver, ...numbers } = terms;
  const device = { ...numbers, index, sockets: streams.map((stream) => stream.kernelFd) };
  let attachedIndex: number;
  if (isTakeOver && index !== undefined) {
    const { sockets, timeoutSeconds, deadConnectionSeconds, backendIdentifier } = device;
    await binding.netlinkReconfigure({
      index,
      sockets,
      timeoutSeconds,
      deadConnectionSeconds,
      backendIdentifier,
    });
    attachedIndex = index;
  } else {
    attachedIndex = await binding.netlinkConnect(device);
  }
  for (const stream of streams) stream.closeKernelEnd();
  const disconnect = (): Promise<void> => binding.netlinkDisconnect(attachedIndex);
  return {
    way: 'netlink',
    index: attachedIndex,
    served: undefined,
    disconnect,
    clear: disconnect,
    close: () => undefined,
  };
}

/**
 * Opens the node, configures it, and starts NBD_DO_IT.
 *
 * @throws NativeError; the device is then as it was before
 */
export async function attachByIoctl(
  binding: NativeBinding,
  index: number,
  terms: AttachTerms,
): Promise<Attachment> {
  const device = binding.openDevice(devicePath(index));
  await setUp(device, terms);
  for (const stream of terms.streams) stream.closeKernelEnd();
  return {
    way: 'ioctl',
    index,
    served: device.serve(),
    disconnect: () => device.disconnect(),
    clear: () => device.clearSocket(),
    close: () => device.close(),
  };
}

async function setUp(device: NativeDevice, terms: AttachTerms): Promise<void> {
  let socketsSet = 0;
  try {
    // First of all: it is the only step that fails for a device that is somebody else's.
    for (const stream of terms.streams) {
      device.setSocket(stream.kernelFd);
      socketsSet++;
    }
    device.configure({
      blockBytes: terms.blockBytes,
      blocks: terms.sizeBytes / terms.blockBytes,
      timeoutSeconds: terms.timeoutSeconds,
      flags: terms.flags,
    });
  } catch (thrown) {
    // What was accepted is ours to clear, and nothing else is.
    if (socketsSet > 0) await device.clearSocket();
    device.close();
    throw thrown;
  }
}
