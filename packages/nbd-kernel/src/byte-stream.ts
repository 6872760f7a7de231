import { MAX_WINDOWS, STREAM_COUNTERS } from './native-binding.ts';
import type { NativeBinding, NativeStream, StreamCounterName } from './native-binding.ts';

/** A stretch of bytes to be sent. */
export interface SendWindow {
  readonly bytes: Uint8Array;
  /** First byte, counted from the start of `bytes`. */
  readonly offset: number;
  readonly length: number;
}

/** What a ByteStream tells its owner. Never called from inside one of its methods but `resume`. */
export interface ByteStreamHandlers {
  /**
   * Bytes of the other end, in `bytes` from `offset` on; they are overwritten after the return, but
   * for those that were not taken.
   *
   * @returns how many were taken. Fewer than `length`: the stream reads nothing more until
   *          `resume`, which offers the rest again
   */
  onReceive(bytes: Uint8Array, offset: number, length: number): number;
  /** A send that was cut short may go on. */
  onWritable(): void;
  /**
   * The other end is closed; `errno` is 0 or says what broke. Nothing comes afterwards. But on a
   * socket 0 means that the client has said all and may still read: then `onWritable` comes, and
   * `onEnd` once more, with an errno, when a send fails.
   */
  onEnd(errno: number): void;
}

/** What a stream has counted since it was opened. */
export type ByteStreamCounters = Record<StreamCounterName, number>;

/** What a stream is made of. */
export interface ByteStreamOptions {
  /** Bytes that one read brings at most; 4096 or more. Default 256 KiB. */
  readonly receiveBytes?: number | undefined;
  /** Bytes that may wait in a new pair of sockets, each way. Default 4 MiB. */
  readonly bufferBytes?: number | undefined;
  /** A connected stream socket instead of a new pair. It is duplicated. */
  readonly socket?: number | undefined;
}

/**
 * The byte stream between an NBD client and this process. Knows nothing of requests.
 *
 * Back-pressure both ways: bytes that the owner does not take stay where they are and nothing more
 * is read; bytes that the other end does not take are the owner's to offer again. Bytes given to
 * `send` are copied by the system call, and only those that it reports as taken may be changed.
 */
export class ByteStream {
  /** @internal */
  protected readonly native: NativeStream;
  readonly #slab: Uint8Array;
  readonly #counters: Float64Array;
  readonly #regions: Uint8Array[];
  readonly #ranges = new Uint32Array(2 * MAX_WINDOWS);
  /** @internal Called when the stream is over, by either side, before the owner hears of it. */
  onOver: () => void = () => undefined;
  #handlers: ByteStreamHandlers | undefined = undefined;
  /** Bytes `#start` .. `#end - 1` of the slab have not been taken. */
  #start = 0;
  #end = 0;
  #isPaused = false;
  #isClosed = false;
  #hasEnded = false;

  /** @throws NativeError, RangeError */
  constructor(binding: NativeBinding, options: ByteStreamOptions = {}) {
    const receiveBytes = options.receiveBytes ?? DEFAULT_RECEIVE_BYTES;
    const bufferBytes = options.bufferBytes ?? DEFAULT_BUFFER_BYTES;
    checkBytes('receiveBytes', receiveBytes);
    checkBytes('bufferBytes', bufferBytes);
    this.#slab = new Uint8Array(receiveBytes);
    this.#counters = new Float64Array(STREAM_COUNTERS.length);
    this.#regions = Array.from({ length: MAX_WINDOWS }, () => NO_BYTES);
    this.native = binding.createStream({
      bufferBytes,
      socket: options.socket,
      slab: this.#slab,
      counters: this.#counters,
    });
  }

  /** The other end is gone, or this one was closed. */
  get isOver(): boolean {
    return this.#hasEnded || this.#isClosed;
  }

  /** This end was closed while the other one was still open. */
  get wasClosedFirst(): boolean {
    return this.#isClosed && !this.#hasEnded;
  }

  get isStarted(): boolean {
    return this.#handlers !== undefined;
  }

  /** Starts to read, and keeps the process alive until `close`. Once only. */
  start(handlers: ByteStreamHandlers): void {
    if (this.#handlers !== undefined) throw new Error('the stream has been started before');
    this.#handlers = handlers;
    this.native.start(
      (length) => this.#onReceive(length),
      () => handlers.onWritable(),
      (errno) => {
        this.#hasEnded = true;
        this.onOver();
        handlers.onEnd(errno);
      },
    );
  }

  /**
   * Offers the bytes that were not taken (none, if all were) to `onReceive`, at once, and goes on
   * reading when all are taken.
   */
  resume(): void {
    if (this.#isClosed || this.#hasEnded || this.#handlers === undefined) return;
    if (!this.#offer() || !this.#isPaused) return;
    this.#isPaused = false;
    this.native.resume();
  }

  /**
   * Sends the first `count` windows with one system call.
   *
   * @returns bytes taken, in order, from the first; fewer than there are: `onWritable` tells when
   *          to go on, or `onEnd` that it is over. 0 on a stream that is over
   * @throws RangeError when a window lies outside its bytes, or `count` exceeds MAX_WINDOWS
   */
  send(windows: readonly SendWindow[], count: number): number {
    if (count > MAX_WINDOWS) throw new RangeError(`at most ${MAX_WINDOWS} windows at a time`);
    for (let i = 0; i < count; i++) {
      const window = windows[i] as SendWindow;
      this.#regions[i] = window.bytes;
      this.#ranges[2 * i] = window.offset;
      this.#ranges[2 * i + 1] = window.length;
    }
    return this.native.send(this.#regions, this.#ranges, count);
  }

  /** Closes this end; the other one sees the end of the stream. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    const wasOver = this.#hasEnded;
    this.#isClosed = true;
    this.#regions.fill(NO_BYTES);
    this.native.close();
    if (!wasOver) this.onOver();
  }

  counters(): ByteStreamCounters {
    const result = {} as ByteStreamCounters;
    STREAM_COUNTERS.forEach((name, index) => {
      result[name] = this.#counters[index] as number;
    });
    return result;
  }

  #onReceive(length: number): void {
    this.#start = 0;
    this.#end = length;
    if (this.#offer() || this.#isClosed) return;
    this.#isPaused = true;
    this.native.pause();
  }

  /** @returns whether everything was taken */
  #offer(): boolean {
    const length = this.#end - this.#start;
    this.#start += this.#handlers?.onReceive(this.#slab, this.#start, length) ?? 0;
    return this.#start === this.#end;
  }
}

const DEFAULT_RECEIVE_BYTES = 256 * 1024;
const DEFAULT_BUFFER_BYTES = 4 * 1024 * 1024;
const NO_BYTES = new Uint8Array(0);
const MIN_BYTES = 4096;
const MAX_BYTES = 0x3fff_ffff;

function checkBytes(name: string, value: number): void {
  if (Number.isInteger(value) && value >= MIN_BYTES && value <= MAX_BYTES) return;
  throw new RangeError(`${name} must be a whole number from ${MIN_BYTES} to ${MAX_BYTES}`);
}
