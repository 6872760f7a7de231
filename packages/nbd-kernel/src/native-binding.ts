/**
 * The exact shape of the native addon: the contract between it, its mock (`./mock`) and
 * `NbdDevice`. One suite (`test/binding-contract.ts`) runs against both implementations.
 *
 * The binding is thin: arguments are checked above it, and errors go up as a system call (for an
 * ioctl or a netlink command: its name) and an errno. Whatever may sleep in the kernel runs on a
 * native thread of its own, with all signals blocked, and returns a promise: a call into the nbd
 * driver can wait for an answer that this very process has to give.
 */
export interface NativeBinding {
  /**
   * Whether the kernel shows the generic netlink family "nbd" in this network namespace.
   *
   * @throws NativeError when the kernel refuses the question
   */
  hasNetlinkFamily(): boolean;
  /**
   * NBD_CMD_CONNECT. The descriptors may be closed when the promise is settled.
   *
   * @returns the index of the device; rejects with NativeError
   */
  netlinkConnect(device: NetlinkDevice): Promise<number>;
  /** NBD_CMD_RECONFIGURE: new sockets in place of dead ones, new size, new timeouts. */
  netlinkReconfigure(device: NetlinkDevice): Promise<void>;
  /** NBD_CMD_DISCONNECT. Works for devices attached by ioctl, too. */
  netlinkDisconnect(index: number): Promise<void>;
  /** NBD_CMD_STATUS of one device or of all. */
  netlinkStatus(index: number | undefined): Promise<DeviceStatus[]>;
  /**
   * Tells each device that has lost a connection without having been asked to disconnect, until
   * `close`.
   *
   * @throws NativeError
   */
  watchLinks(onLinkDead: (index: number) => void): NativeLinkWatch;
  /**
   * Opens a device node for attaching by ioctl.
   *
   * @throws NativeError
   */
  openDevice(path: string): NativeDevice;
  /**
   * Makes the byte stream between the kernel and us, or over a socket that is there.
   *
   * @throws NativeError
   */
  createStream(options: NativeStreamOptions): NativeStream;
  /** Opens a node and closes it, upon which the kernel reads the partition table. */
  scanNode(path: string): Promise<void>;
  /** Has the kernel write what its page cache holds for this node. */
  flushNode(path: string): Promise<void>;
  /**
   * Ends a device that is anybody's, for its server and for all who use it: NBD_DISCONNECT, time for
   * the server to answer what is open, and NBD_CLEAR_SOCK. Waits without end when a program that has
   * the node open waits for the server. Only when a person wants that.
   */
  endNode(path: string, drainMillis: number): Promise<void>;
}

/** What netlink commands carry. What is undefined is not sent. All numbers are safe integers. */
export interface NetlinkDevice {
  /** Undefined in CONNECT: the kernel chooses a free one, or makes one. */
  readonly index?: number | undefined;
  readonly sizeBytes?: number | undefined;
  readonly blockBytes?: number | undefined;
  readonly timeoutSeconds?: number | undefined;
  /** How long I/O waits while all connections are dead; 0: it fails at once. */
  readonly deadConnectionSeconds?: number | undefined;
  /** Transmission flags of the NBD protocol. */
  readonly flags?: number | undefined;
  /** Bits of ClientFlag. */
  readonly clientFlags?: number | undefined;
  /** RECONFIGURE must carry what CONNECT carried. */
  readonly backendIdentifier?: string | undefined;
  /** Descriptors: `kernelFd()` of streams. */
  readonly sockets?: readonly number[] | undefined;
}

/** What the kernel's client does with its device. */
export const ClientFlag = {
  /** The node is removed when the device is disconnected. */
  DestroyOnDisconnect: 1,
  /** The first opener that closes ends the device. */
  DisconnectOnClose: 2,
} as const;

/** One line of the answer to NBD_CMD_STATUS. */
export interface DeviceStatus {
  readonly index: number;
  /** The device is in use; true also for a node that somebody merely has open. */
  readonly isConnected: boolean;
}

/** Tells when the kernel loses the connection of a device. */
export interface NativeLinkWatch {
  /** Idempotent. No callback comes afterwards. */
  close(): void;
}

/** What the ioctl interface is told before a device starts. */
export interface IoctlDevice {
  /** A power of two from 512 to 4096. */
  readonly blockBytes: number;
  readonly blocks: number;
  /** 0: requests never time out. */
  readonly timeoutSeconds: number;
  /** Transmission flags of the NBD protocol. */
  readonly flags: number;
}

/** An open device node. */
export interface NativeDevice {
  /** @throws NativeError with the ioctl's name as `syscall` */
  configure(device: IoctlDevice): void;
  /**
   * NBD_SET_SOCK. The descriptor may be closed afterwards.
   *
   * @throws NativeError; EBUSY: the device belongs to somebody else
   */
  setSocket(descriptor: number): void;
  /**
   * NBD_DO_IT, and NBD_CLEAR_SOCK as soon as it returns.
   *
   * @returns errno of NBD_DO_IT, 0 if it returned 0
   * @throws Error when no socket was set
   */
  serve(): Promise<number>;
  /** NBD_DISCONNECT: the kernel says DISC and waits for the stream to end. */
  disconnect(): Promise<void>;
  /**
   * NBD_CLEAR_SOCK: ends the device at once.
   *
   * @throws Error when `setSocket` has not succeeded: the device may be somebody else's
   */
  clearSocket(): Promise<void>;
  /** Closes this descriptor; a running `serve` has its own. Idempotent. */
  close(): void;
}

/** What `createStream` needs. The binding keeps both arrays until the stream is closed. */
export interface NativeStreamOptions {
  /** SO_SNDBUF of both ends, in bytes. Of no use with `socket`. */
  readonly bufferBytes: number;
  /**
   * Descriptor of a connected stream socket, which is duplicated, instead of a new pair. There is no
   * end for the kernel then, and the stream does not end with its input: see `start`.
   */
  readonly socket?: number | undefined;
  /** Received bytes are put at its start. */
  readonly slab: Uint8Array;
  /** One number per name in STREAM_COUNTERS. */
  readonly counters: Float64Array;
}

/** Our end of the byte stream. All callbacks come from the event loop, never inside a method. */
export interface NativeStream {
  /** The descriptor for the kernel; -1 after `closeKernelEnd`, and of a socket. */
  kernelFd(): number;
  /** To be called as soon as the kernel has it: as long as ours is open, its end goes unseen. */
  closeKernelEnd(): void;
  /**
   * Starts reading.
   *
   * @param onReceive   that many bytes stand in the slab; they are overwritten after the return,
   *                    unless the stream has been paused
   * @param onWritable  a send that was cut short may go on
   * @param onEnd       the stream is over; 0 or an errno. Nothing else comes afterwards. But a
   *                    socket whose client has said all, 0, may still be written to, `onWritable`
   *                    comes, and `onEnd` once more, with an errno, when that fails
   */
  start(
    onReceive: (length: number) => void,
    onWritable: () => void,
    onEnd: (errno: number) => void,
  ): void;
  pause(): void;
  resume(): void;
  /**
   * One sendmsg of `count` windows: bytes `ranges[2i]` to `ranges[2i] + ranges[2i + 1] - 1` of
   * `regions[i]`.
   *
   * @returns bytes taken; fewer than given: `onWritable` or `onEnd` follows
   * @throws RangeError when a window lies outside its region or there are more than MAX_WINDOWS
   */
  send(regions: readonly Uint8Array[], ranges: Uint32Array, count: number): number;
  /** Idempotent. No callback comes afterwards. */
  close(): void;
}

/** Windows that one send can carry. */
export const MAX_WINDOWS = 256;

/** What a binding throws when a system call fails. */
export interface NativeError extends Error {
  syscall: string;
  /** Positive, as errno(3) has it. */
  errno: number;
}

/** The counters of a stream, in the order in which the binding stores them. */
export const STREAM_COUNTERS = [
  'bytesReceived',
  'bytesSent',
  'receiveCalls',
  'sendCalls',
  'sendBlocked',
] as const;

/** Name of a counter of a stream. */
export type StreamCounterName = (typeof STREAM_COUNTERS)[number];
