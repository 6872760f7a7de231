import type { ByteRegion } from '../byte-region.ts';

/**
 * Where frames come from and go to: a raw socket, a mock of one, or a simulated wire.
 *
 * A *frame* here is an Ethernet II frame without FCS: destination 6 B, source 6 B, EtherType 2 B,
 * payload. A *descriptor* is a pair of numbers in an Int32Array: byte offset of the frame in its
 * region, and its length in bytes. Frames travel in batches, so that native code is entered once
 * for many of them.
 */
export interface FrameTransport {
  /** Largest payload after the 14-byte MAC header, in bytes. */
  readonly mtuBytes: number;
  /** The interface's own MAC address, 6 bytes. */
  readonly ownMac: Uint8Array;

  /**
   * Memory into which received frames are put. Frame i of a batch lies at
   * `receiveDescriptors[2i]`, `receiveDescriptors[2i + 1]` bytes long, its offset ≡ 2 modulo 8, so
   * that everything after the MAC header is 8-byte aligned.
   */
  readonly receiveRegion: ByteRegion;
  readonly receiveDescriptors: Int32Array;
  /**
   * One number that the transport likes to know, if it has a place for it: how many answers are
   * awaited; negative: nobody knows. While there are many it may let frames gather for a moment.
   */
  readonly awaited?: Int32Array | undefined;

  /**
   * Starts reception. Frames of a batch are valid only until the handler returns.
   * The handler is called with the number of frames, 1 .. receiveDescriptors.length / 2.
   */
  start(handlers: TransportHandlers): void;

  /**
   * Sends frames `first .. first + count - 1` of `descriptors` out of `region`, in order.
   * The bytes may be reused as soon as the call returns.
   *
   * @returns how many of them, from `first` on, were taken; fewer than `count` means that the
   *          transport is full and will call `onWritable` once there is room again
   */
  sendBatch(region: ByteRegion, descriptors: Int32Array, first: number, count: number): number;

  /** Stops reception and releases everything. Idempotent. No handler is called afterwards. */
  close(): void;
}

/** What a transport tells its owner. */
export interface TransportHandlers {
  onReceiveBatch(count: number): void;
  onWritable(): void;
  /** The transport has failed for good (interface gone, socket error). It is not usable any more. */
  onFailure(error: Error): void;
}
