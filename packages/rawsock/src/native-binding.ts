/**
 * The exact shape of the native addon: the contract between it, its mock (`./mock`) and
 * `RawSocket`. One suite (`test/binding-contract.ts`) runs against both implementations.
 *
 * The binding is thin: arguments are checked by `RawSocket`, and errors go up as a system call and
 * an errno.
 */
export interface NativeBinding {
  /** @throws NativeError when the kernel refuses the question */
  interfaceInfo(name: string): InterfaceInfo | undefined;
  /** @throws NativeError */
  listInterfaces(): string[];
  /** @throws NativeError with the errno of socket(2), setsockopt(2) or bind(2) */
  openSocket(options: NativeSocketOptions): NativeSocket;
}

/** The addon: the binding, and a service to the programs that use it. */
export interface NativeAddon extends NativeBinding {
  /**
   * Ends this process after so long with this exit code, whatever it does then, by SIGALRM and
   * _exit(2).
   */
  endAfter(code: number, millis: number): void;
}

/** What the kernel says about a network interface, at the moment of the question. */
export interface InterfaceInfo {
  readonly name: string;
  /** The kernel's number of the interface; a removed and re-made interface gets another one. */
  readonly index: number;
  /** 6 bytes; zeros for the loopback interface. */
  readonly mac: Uint8Array;
  /** Largest payload after the 14-byte MAC header. */
  readonly mtuBytes: number;
  /** Switched on by the administrator. */
  readonly isUp: boolean;
  /** The cable is in and somebody is at its other end; false while the interface is down. */
  readonly hasCarrier: boolean;
  readonly isLoopback: boolean;
  /** Its frames begin with an Ethernet MAC header. The loopback interface's do. */
  readonly isEthernet: boolean;
}

/** What `openSocket` needs. The binding keeps the arrays until the socket is closed. */
export interface NativeSocketOptions {
  readonly interfaceIndex: number;
  readonly etherType: number;
  /** 6 bytes. */
  readonly ownMac: Uint8Array;
  /** 6 bytes, or undefined to take whole frames from everybody. */
  readonly peerMac: Uint8Array | undefined;
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
  readonly busyPollMicros: number;
  readonly bypassQdisc: boolean;
  /**
   * Room for so many frames in a ring that the kernel shares, if it grants one. With 0, or with
   * `times`, there is none: the binding makes memory of `slots` times `slotBytes` bytes and has the
   * frames copied there.
   */
  readonly receiveRingFrames: number;
  /** Room for a frame of the interface's MTU with a VLAN tag, 2 bytes before it included. */
  readonly slotBytes: number;
  /** Frames in a batch at most. */
  readonly slots: number;
  /** Offset and length of each frame of a batch; at least `2 * slots` numbers. */
  readonly descriptors: Int32Array;
  /** One number: how many frames are sure to come, as its owner says; negative: nobody knows. */
  readonly awaited: Int32Array;
  /**
   * Makes the socket a monitor: it hears every frame of the EtherType that passes the interface,
   * both ways and whole, and notes here when, as seconds since 1970 and nanoseconds; at least
   * `2 * slots` numbers.
   */
  readonly times: Float64Array | undefined;
  /** One number per name in COUNTER_NAMES. */
  readonly counters: Float64Array;
}

/** A bound socket. All callbacks come from the event loop, never from inside a method. */
export interface NativeSocket {
  /**
   * Where received frames stand, each at an offset ≡ 2 modulo 8. After `close` its bytes may be
   * anything.
   */
  readonly memory: ArrayBuffer;
  /**
   * Starts reception.
   *
   * @param onBatch     that many frames stand in `memory`; they are overwritten after the return
   * @param onWritable  a send that was cut short may go on
   * @param onFailure   the socket is dead for good; `errno` is positive
   */
  start(
    onBatch: (frames: number) => void,
    onWritable: () => void,
    onFailure: (syscall: string, errno: number) => void,
  ): void;
  /**
   * @returns how many of the frames were taken
   * @throws RangeError when a descriptor points outside its region
   */
  send(region: Uint8Array, descriptors: Int32Array, first: number, count: number): number;
  setPeerMac(mac: Uint8Array | undefined): void;
  /** Brings the counter `kernelDrops` up to date. */
  collectDrops(): void;
  /** Idempotent. No callback comes afterwards. */
  close(): void;
}

/** What a binding throws when a system call fails. */
export interface NativeError extends Error {
  syscall: string;
  /** Positive, as errno(3) has it. */
  errno: number;
}

/** The counters of a socket, in the order in which the binding stores them. */
export const COUNTER_NAMES = [
  'framesSent',
  'bytesSent',
  'framesReceived',
  'bytesReceived',
  'sendCalls',
  'receiveCalls',
  'sendBlocked',
  'sendErrors',
  'receiveTruncated',
  'kernelDrops',
] as const;

/** Name of a counter of a socket. */
export type CounterName = (typeof COUNTER_NAMES)[number];
