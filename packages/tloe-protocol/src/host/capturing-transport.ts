import type { ByteRegion } from '../byte-region.ts';
import type { FrameTransport, TransportHandlers } from './frame-transport.ts';

/** Somebody who looks at every frame that passes. */
export interface FrameSink {
  /**
   * One frame, in the order of the wire as this end sees it. The bytes are valid only until the
   * call returns. Must not throw, and must not wait.
   */
  frame(region: ByteRegion, offset: number, lengthBytes: number): void;
}

/**
 * A transport that shows every frame received, and every frame that the transport below took, to a
 * sink, and is otherwise that transport. A received batch is shown before it is handed up, so that
 * the answer to a frame never stands before the frame.
 *
 * Where nothing is captured nobody makes one of these: the plain transport has no such branch.
 */
export class CapturingTransport implements FrameTransport {
  readonly mtuBytes: number;
  readonly ownMac: Uint8Array;
  readonly receiveRegion: ByteRegion;
  readonly receiveDescriptors: Int32Array;
  readonly awaited: Int32Array | undefined;
  readonly #inner: FrameTransport;
  readonly #sink: FrameSink;

  /** @param inner  belongs to this transport from now on; `close` closes it, but not the sink */
  constructor(inner: FrameTransport, sink: FrameSink) {
    this.#inner = inner;
    this.#sink = sink;
    this.mtuBytes = inner.mtuBytes;
    this.ownMac = inner.ownMac;
    this.receiveRegion = inner.receiveRegion;
    this.receiveDescriptors = inner.receiveDescriptors;
    this.awaited = inner.awaited;
  }

  start(handlers: TransportHandlers): void {
    this.#inner.start({
      onReceiveBatch: (count) => {
        this.#show(this.receiveRegion, this.receiveDescriptors, 0, count);
        handlers.onReceiveBatch(count);
      },
      onWritable: () => handlers.onWritable(),
      onFailure: (error) => handlers.onFailure(error),
    });
  }

  sendBatch(region: ByteRegion, descriptors: Int32Array, first: number, count: number): number {
    const taken = this.#inner.sendBatch(region, descriptors, first, count);
    this.#show(region, descriptors, first, taken);
    return taken;
  }

  close(): void {
    this.#inner.close();
  }

  #show(region: ByteRegion, descriptors: Int32Array, first: number, count: number): void {
    for (let i = first; i < first + count; i++) {
      this.#sink.frame(region, descriptors[2 * i] as number, descriptors[2 * i + 1] as number);
    }
  }
}
