import {
  closedError,
  interfaceDownError,
  interfaceGoneError,
  noInterfaceError,
  notEthernetError,
  openError,
} from './errors.ts';
import { slotBytesFor } from './frame-slab.ts';
import { loadBinding } from './load-binding.ts';
import { COUNTER_NAMES } from './native-binding.ts';
import type { CounterName, InterfaceInfo, NativeBinding, NativeSocket } from './native-binding.ts';

/** What a RawSocket is opened with. */
export interface RawSocketOptions {
  readonly interfaceName: string;
  /** EtherType of the frames to exchange, 0x0600 .. 0xFFFF. All others stay in the kernel. */
  readonly etherType: number;
  /** MAC address of the only peer, 6 bytes; without it frames of every sender arrive whole. */
  readonly peerMac?: Uint8Array | undefined;
  /** After a frame or a send, spin this long for the next frame before sleeping. Default 0. */
  readonly busyPollMicros?: number | undefined;
  /** Most frames per batch, 1 .. 1024. Default 64. */
  readonly receiveSlots?: number | undefined;
  /**
   * Receive into a ring of so many frames that the kernel shares (PACKET_RX_RING), 0 .. 65536: no
   * system call and no copy to get them, but frames beyond these are dropped until some were read,
   * and memory that is written in turn should be no larger than a processor's cache. 0: frames wait
   * in the kernel and are copied by recvmmsg; so they are for a monitor, and where the kernel
   * refuses a ring. Default 512.
   */
  readonly receiveRingFrames?: number | undefined;
  /** Without a ring: bytes that the kernel may queue until we read. Default 16 MiB. */
  readonly receiveBufferBytes?: number | undefined;
  /** Bytes that may wait in the kernel to be sent. Default 16 MiB. */
  readonly sendBufferBytes?: number | undefined;
  /** Hand frames straight to the device, past traffic shaping. Default true. */
  readonly bypassQdisc?: boolean | undefined;
  /**
   * Hear every frame of the EtherType that passes the interface, in both directions and whoever it
   * is for, whole and with its time (`receiveTimes`). What a socket with `bypassQdisc` sends on this
   * machine passes by unheard: the kernel shows it to nobody. Default false.
   */
  readonly monitor?: boolean | undefined;
  /** Refuse to open on an interface that is down. Default false: it may come up later. */
  readonly requireUp?: boolean | undefined;
}

/** What a RawSocket tells its owner. Never called from inside one of its methods. */
export interface RawSocketHandlers {
  /** `count` frames stand in `receiveRegion`, until the handler returns. */
  onReceiveBatch(count: number): void;
  /** A batch that was taken in part may go on. */
  onWritable(): void;
  /** The interface is gone; the socket is of no more use than to be closed. */
  onFailure(error: Error): void;
}

/** Memory that holds frames: the same bytes under three views. */
export interface FrameRegion {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly words: Int32Array;
}

/** What a socket has done so far. */
export type RawSocketCounters = Record<CounterName, number>;

/**
 * Raw Ethernet frames of one EtherType on one Linux interface, in batches.
 *
 * A frame is destination 6 B, source 6 B, EtherType 2 B, payload; no FCS. Received frames lie in
 * `receiveRegion`, described by `receiveDescriptors` (offset and length, in bytes); frames to send
 * lie in any memory of the caller's, described in the same way.
 *
 * The kernel filters: frames to this interface's MAC address (and from `peerMac`, if set) come
 * whole; frames of the same EtherType to or from somebody else come cut to 14 bytes, so that one
 * can count them and say who talks to whom; everything else never leaves the kernel. The filter
 * saves work and is no guarantee: frames queued before `setPeerMac` passed the old one.
 *
 * While the interface is down or without carrier, frames are taken, lost and counted
 * (`sendErrors`), as they would be on a cut cable; it goes on by itself when the interface is back.
 *
 * Has the shape of tloe-protocol's FrameTransport.
 */
export class RawSocket {
  /** As it was when the socket was opened. */
  readonly interfaceInfo: InterfaceInfo;
  /** Largest payload after the 14-byte MAC header. */
  readonly mtuBytes: number;
  /** The interface's MAC address, 6 bytes. */
  readonly ownMac: Uint8Array;
  readonly receiveRegion: FrameRegion;
  readonly receiveDescriptors: Int32Array;
  /**
   * One number, for the owner to write: how many frames are sure to come; negative, as it is at
   * first: nobody knows. While there are many, the socket rests for a moment (50 us) between two
   * looks and fetches frames together. Without a ring, or with `busyPollMicros`, it never rests.
   */
  readonly awaited: Int32Array = new Int32Array([-1]);
  /**
   * When the frames of a batch passed by, as the kernel noted it: frame i at second `2i` since 1970
   * and nanosecond `2i + 1`. Of a monitor only.
   */
  readonly receiveTimes: Float64Array | undefined;

  readonly #native: NativeSocket;
  readonly #counters: Float64Array;
  #isStarted = false;
  #isClosed = false;

  /**
   * Opens a socket. It receives from now on (the kernel queues), and tells after `start`.
   *
   * @param binding  the addon, or a mock of it; by default the addon
   * @throws RawSocketError ERR_RAWSOCK_NO_INTERFACE, ERR_RAWSOCK_PERMISSION,
   *         ERR_RAWSOCK_INTERFACE_DOWN (with `requireUp` only), ERR_RAWSOCK_NO_ADDON,
   *         ERR_RAWSOCK_OS
   * @throws RangeError for options that no machine could fulfil
   */
  static open(options: RawSocketOptions, binding: NativeBinding = loadBinding()): RawSocket {
    checkOptions(options);
    const { interfaceName } = options;
    const info = binding.interfaceInfo(interfaceName);
    if (info === undefined) throw noInterfaceError(interfaceName, binding.listInterfaces());
    if (!info.isEthernet) throw notEthernetError(interfaceName);
    if (options.requireUp === true && !info.isUp) throw interfaceDownError(interfaceName);
    return new RawSocket(options, info, binding);
  }

  private constructor(options: RawSocketOptions, info: InterfaceInfo, binding: NativeBinding) {
    const slots = options.receiveSlots ?? DEFAULT_SLOTS;
    this.interfaceInfo = info;
    this.mtuBytes = info.mtuBytes;
    this.ownMac = info.mac;
    this.receiveDescriptors = new Int32Array(2 * slots);
    this.receiveTimes = options.monitor === true ? new Float64Array(2 * slots) : undefined;
    this.#counters = new Float64Array(COUNTER_NAMES.length);
    try {
      this.#native = binding.openSocket({
        interfaceIndex: info.index,
        etherType: options.etherType,
        ownMac: info.mac,
        peerMac: options.peerMac,
        receiveBufferBytes: options.receiveBufferBytes ?? DEFAULT_BUFFER_BYTES,
        sendBufferBytes: options.sendBufferBytes ?? DEFAULT_BUFFER_BYTES,
        busyPollMicros: options.busyPollMicros ?? 0,
        bypassQdisc: options.bypassQdisc ?? true,
        receiveRingFrames: options.receiveRingFrames ?? DEFAULT_RING_FRAMES,
        slotBytes: slotBytesFor(info.mtuBytes),
        slots,
        descriptors: this.receiveDescriptors,
        awaited: this.awaited,
        times: this.receiveTimes,
        counters: this.#counters,
      });
    } catch (thrown) {
      throw openError(info.name, thrown);
    }
    const { memory } = this.#native;
    this.receiveRegion = {
      bytes: new Uint8Array(memory),
      view: new DataView(memory),
      words: new Int32Array(memory),
    };
  }

  /** False once `close` was called. */
  get isOpen(): boolean {
    return !this.#isClosed;
  }

  /**
   * Starts to call the handlers, and keeps the process alive until `close`. Once only.
   *
   * @throws RawSocketError ERR_RAWSOCK_CLOSED
   */
  start(handlers: RawSocketHandlers): void {
    if (this.#isClosed) throw closedError(this.interfaceInfo.name);
    if (this.#isStarted) throw new Error('the raw socket has been started before');
    this.#isStarted = true;
    const { name } = this.interfaceInfo;
    this.#native.start(
      (count) => handlers.onReceiveBatch(count),
      () => handlers.onWritable(),
      (syscall, errno) => handlers.onFailure(interfaceGoneError(name, syscall, errno)),
    );
  }

  /**
   * Sends frames `first .. first + count - 1` of `descriptors` out of `region`, in order, with one
   * call into native code. The bytes may be reused as soon as it returns.
   *
   * Frames that cannot be carried now (interface down) or ever (longer than the MTU) count as
   * taken; see `sendErrors`.
   *
   * @returns how many were taken; if fewer than `count`, `onWritable` tells when to go on
   * @throws RawSocketError ERR_RAWSOCK_CLOSED
   * @throws RangeError when a descriptor points outside the region
   */
  sendBatch(
    region: { readonly bytes: Uint8Array },
    descriptors: Int32Array,
    first: number,
    count: number,
  ): number {
    if (this.#isClosed) throw closedError(this.interfaceInfo.name);
    return this.#native.send(region.bytes, descriptors, first, count);
  }

  /**
   * From now on frames of this sender alone arrive whole; undefined: of every sender.
   *
   * @param mac  6 bytes, copied
   * @throws RawSocketError ERR_RAWSOCK_CLOSED
   */
  setPeerMac(mac: Uint8Array | undefined): void {
    if (this.#isClosed) throw closedError(this.interfaceInfo.name);
    checkMac(mac);
    this.#native.setPeerMac(mac);
  }

  /** What the socket has done so far; after `close`, what it had done by then. */
  counters(): RawSocketCounters {
    this.#native.collectDrops();
    const result = {} as RawSocketCounters;
    COUNTER_NAMES.forEach((name, index) => {
      result[name] = this.#counters[index] as number;
    });
    return result;
  }

  /** Releases the socket. Idempotent; allowed inside handlers. No handler is called afterwards. */
  close(): void {
    this.#isClosed = true;
    this.#native.close();
  }
}

function checkOptions(options: RawSocketOptions): void {
  checkRange('etherType', options.etherType, 0x0600, 0xffff);
  checkRange('busyPollMicros', options.busyPollMicros ?? 0, 0, 1_000_000);
  checkRange('receiveSlots', options.receiveSlots ?? DEFAULT_SLOTS, 1, 1024);
  checkRange('receiveRingFrames', options.receiveRingFrames ?? 0, 0, 65_536);
  checkRange('receiveBufferBytes', options.receiveBufferBytes ?? 1, 1, MAX_BUFFER_BYTES);
  checkRange('sendBufferBytes', options.sendBufferBytes ?? 1, 1, MAX_BUFFER_BYTES);
  checkMac(options.peerMac);
}

function checkRange(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`${name} must be a whole number from ${least} to ${most}, not ${value}`);
}

function checkMac(mac: Uint8Array | undefined): void {
  if (mac !== undefined && mac.length !== 6) {
    throw new RangeError(`a MAC address has 6 bytes, not ${mac.length}`);
  }
}

const DEFAULT_SLOTS = 64;
const DEFAULT_RING_FRAMES = 512;
const DEFAULT_BUFFER_BYTES = 16 * 1024 * 1024;
/** The kernel doubles what it is given and keeps it in a signed 32-bit number. */
const MAX_BUFFER_BYTES = 0x3fff_ffff;
