import type { NativeStream, NativeStreamOptions, StreamCounterName } from '../native-binding.ts';
import { MAX_WINDOWS, STREAM_COUNTERS } from '../native-binding.ts';

/** Runs something later, as from the event loop. */
export type Schedule = (run: () => void) => void;

/** What the kernel's end tells the device that uses it. */
export interface KernelEndListener {
  /** Bytes of the server; belong to the listener. */
  onBytes(bytes: Uint8Array): void;
  /** The server has closed its end. */
  onServerGone(): void;
}

/** The kernel's end of a mock stream. */
export class KernelEnd {
  listener: KernelEndListener | undefined = undefined;
  /** The driver has shut the socket down, or the server has closed its end. */
  isDead = false;
  readonly #stream: MockStream;

  constructor(stream: MockStream) {
    this.#stream = stream;
  }

  /** Sends bytes to the server, however many are waiting there. */
  send(bytes: Uint8Array): void {
    if (!this.isDead) this.#stream.arrive(bytes);
  }

  /** The server reads what was sent, then the end of the stream. */
  shutDown(): void {
    if (this.isDead) return;
    this.isDead = true;
    this.#stream.endInput();
  }
}

/** Both ends of the byte stream: the server's is the NativeStream, the kernel's a KernelEnd. */
export class MockStream implements NativeStream {
  readonly kernelEnd: KernelEnd = new KernelEnd(this);
  readonly #descriptor: number;
  readonly #options: NativeStreamOptions;
  readonly #schedule: Schedule;
  readonly #input: Uint8Array[] = [];
  readonly #output: Uint8Array[] = [];
  #outputBytes = 0;
  #handlers: Handlers | undefined = undefined;
  #isKernelEndOurs = true;
  #isInputOver = false;
  #isPaused = false;
  #isBlocked = false;
  #isOpen = true;
  #hasEnded = false;
  #isReadDue = false;

  constructor(descriptor: number, options: NativeStreamOptions, schedule: Schedule) {
    this.#descriptor = descriptor;
    this.#options = options;
    this.#schedule = schedule;
  }

  kernelFd(): number {
    return this.#isKernelEndOurs ? this.#descriptor : -1;
  }

  closeKernelEnd(): void {
    this.#isKernelEndOurs = false;
    // Nobody has it now, if the driver does not.
    if (this.kernelEnd.listener === undefined) this.kernelEnd.shutDown();
  }

  start(
    onReceive: (length: number) => void,
    onWritable: () => void,
    onEnd: (errno: number) => void,
  ): void {
    this.#handlers = { onReceive, onWritable, onEnd };
    this.#readLater();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#readLater();
  }

  send(regions: readonly Uint8Array[], ranges: Uint32Array, count: number): number {
    if (count > MAX_WINDOWS) throw new RangeError('more windows than there may be');
    for (let i = 0; i < count; i++) {
      const end = (ranges[2 * i] as number) + (ranges[2 * i + 1] as number);
      if (end > (regions[i]?.length ?? 0)) {
        throw new RangeError('a window lies outside its bytes');
      }
    }
    if (!this.#isOpen || this.kernelEnd.isDead || count === 0) return 0;
    this.#count('sendCalls', 1);
    let taken = 0;
    for (let i = 0; i < count; i++) {
      const offset = ranges[2 * i] as number;
      const length = ranges[2 * i + 1] as number;
      const room = this.#options.bufferBytes - this.#outputBytes;
      const part = (regions[i] as Uint8Array).slice(offset, offset + Math.min(length, room));
      this.#output.push(part);
      this.#outputBytes += part.length;
      taken += part.length;
      if (part.length < length) {
        this.#isBlocked = true;
        this.#count('sendBlocked', 1);
        break;
      }
    }
    this.#count('bytesSent', taken);
    this.#schedule(() => this.#deliver());
    return taken;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.kernelEnd.isDead) return;
    this.#schedule(() => {
      this.#deliver();
      if (this.kernelEnd.isDead) return;
      this.kernelEnd.isDead = true;
      this.kernelEnd.listener?.onServerGone();
    });
  }

  /** For KernelEnd: bytes of the kernel. */
  arrive(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#input.push(bytes.slice());
    this.#readLater();
  }

  /** For KernelEnd: no more bytes. */
  endInput(): void {
    this.#isInputOver = true;
    this.#readLater();
  }

  #deliver(): void {
    for (const bytes of this.#output.splice(0)) {
      this.#outputBytes -= bytes.length;
      if (!this.kernelEnd.isDead) this.kernelEnd.listener?.onBytes(bytes);
    }
    if (!this.#isBlocked || !this.#isOpen || this.#hasEnded) return;
    this.#isBlocked = false;
    if (!this.kernelEnd.isDead) this.#handlers?.onWritable();
  }

  #readLater(): void {
    if (this.#isReadDue || this.#handlers === undefined) return;
    this.#isReadDue = true;
    this.#schedule(() => {
      this.#isReadDue = false;
      this.#read();
    });
  }

  #read(): void {
    if (!this.#isOpen || this.#isPaused || this.#hasEnded || this.#handlers === undefined) return;
    const { slab } = this.#options;
    let length = 0;
    while (this.#input.length > 0 && length < slab.length) {
      const first = this.#input[0] as Uint8Array;
      const part = first.subarray(0, slab.length - length);
      slab.set(part, length);
      length += part.length;
      if (part.length === first.length) this.#input.shift();
      else this.#input[0] = first.subarray(part.length);
    }
    this.#count('receiveCalls', 1);
    if (length > 0) {
      this.#count('bytesReceived', length);
      this.#handlers.onReceive(length);
      this.#readLater();
    } else if (this.#isInputOver) {
      this.#hasEnded = true;
      this.#handlers.onEnd(0);
    }
  }

  #count(name: StreamCounterName, amount: number): void {
    const { counters } = this.#options;
    const index = STREAM_COUNTERS.indexOf(name);
    counters[index] = (counters[index] as number) + amount;
  }
}

interface Handlers {
  readonly onReceive: (length: number) => void;
  readonly onWritable: () => void;
  readonly onEnd: (errno: number) => void;
}
