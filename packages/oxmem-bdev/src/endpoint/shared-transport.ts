import type { ByteRegion, FrameTransport, TransportHandlers } from '@oxmem/tloe-protocol';

/**
 * One transport that serves one connection after another: only the last lease sends and hears. What
 * an older one still wants to send goes nowhere.
 */
export class SharedTransport {
  readonly #inner: FrameTransport;
  readonly #onFailure: (error: Error) => void;
  #lease: Lease | undefined = undefined;
  #isStarted = false;

  /**
   * @param inner      belongs to this from now on
   * @param onFailure  told when the transport has failed and there is no lease who could be
   */
  constructor(inner: FrameTransport, onFailure: (error: Error) => void) {
    this.#inner = inner;
    this.#onFailure = onFailure;
  }

  /** A transport for the next connection; closing it closes nothing else. */
  lease(): FrameTransport {
    this.#lease = new Lease(this.#inner, {
      start: () => this.#start(),
      isCurrent: (lease) => this.#lease === lease,
      end: (lease) => {
        if (this.#lease === lease) this.#lease = undefined;
      },
    });
    return this.#lease;
  }

  /** Closes the transport itself. Idempotent. */
  close(): void {
    this.#lease = undefined;
    this.#inner.close();
  }

  #start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#inner.start({
      onReceiveBatch: (count) => this.#lease?.handlers?.onReceiveBatch(count),
      onWritable: () => this.#lease?.handlers?.onWritable(),
      onFailure: (error) => {
        const handlers = this.#lease?.handlers;
        if (handlers === undefined) this.#onFailure(error);
        else handlers.onFailure(error);
      },
    });
  }
}

interface LeaseOwner {
  start(): void;
  isCurrent(lease: Lease): boolean;
  end(lease: Lease): void;
}

class Lease implements FrameTransport {
  readonly mtuBytes: number;
  readonly ownMac: Uint8Array;
  readonly receiveRegion: ByteRegion;
  readonly receiveDescriptors: Int32Array;
  readonly awaited: Int32Array | undefined;
  handlers: TransportHandlers | undefined = undefined;
  readonly #inner: FrameTransport;
  readonly #owner: LeaseOwner;

  constructor(inner: FrameTransport, owner: LeaseOwner) {
    this.#inner = inner;
    this.#owner = owner;
    this.mtuBytes = inner.mtuBytes;
    this.ownMac = inner.ownMac;
    this.receiveRegion = inner.receiveRegion;
    this.receiveDescriptors = inner.receiveDescriptors;
    this.awaited = inner.awaited;
  }

  start(handlers: TransportHandlers): void {
    this.handlers = handlers;
    this.#owner.start();
  }

  sendBatch(region: ByteRegion, descriptors: Int32Array, first: number, count: number): number {
    if (!this.#owner.isCurrent(this)) return count;
    return this.#inner.sendBatch(region, descriptors, first, count);
  }

  close(): void {
    this.handlers = undefined;
    this.#owner.end(this);
  }
}
