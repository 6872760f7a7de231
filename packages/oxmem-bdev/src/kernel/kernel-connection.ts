import type { ByteStreamHandlers, KernelStream } from '@oxmem/nbd-kernel';
import {
  NbdConnection,
  createOutputWindows,
  type CloseReason,
  type ConnectionHost,
  type NbdExport,
  type OutputWindow,
} from '@oxmem/nbd-protocol';

/** The end of the kernel's stream. */
export interface KernelConnectionEnd {
  readonly reason: CloseReason;
  /** One sentence for the log. */
  readonly text: string;
}

/**
 * The kernel as a client: a stream around an `NbdConnection` that serves one export and shakes no
 * hands. Bytes go from the stream's slab straight to the session; answers go out from where the
 * device put them, one system call for a batch of windows.
 *
 * Back-pressure both ways, as with any client: bytes that the session does not take stay in the
 * slab, and the kernel is not read. What the session asks for from inside a callback happens at the
 * end of the event, so the answers that one batch of frames brings leave together.
 */
export class KernelConnection implements ConnectionHost, ByteStreamHandlers {
  /** Settled when the stream is over and no request of it is with the device any more. */
  readonly released: Promise<KernelConnectionEnd>;
  /** Called when the kernel has said goodbye, before the stream is over. */
  onDisconnect: () => void = () => {};
  readonly #nbd: NbdConnection;
  readonly #stream: KernelStream;
  readonly #windows = createOutputWindows(WINDOWS);
  readonly #turn = (): void => this.#takeTurn();
  #isTurnScheduled = false;
  #isInputWanted = false;
  #end: KernelConnectionEnd | undefined = undefined;
  #release: (end: KernelConnectionEnd) => void = () => {};

  /** @param stream  not started yet */
  constructor(stream: KernelStream, fixedExport: NbdExport) {
    this.released = new Promise((resolve) => {
      this.#release = resolve;
    });
    this.#stream = stream;
    this.#nbd = new NbdConnection({ fixedExport }, this);
    stream.start(this);
  }

  /** Undefined while it lasts. */
  get end(): KernelConnectionEnd | undefined {
    return this.#end;
  }

  /** Takes no more requests, answers those that are open, then closes the stream. */
  shutdown(): void {
    this.#nbd.shutdown();
  }

  onReceive(bytes: Uint8Array, offset: number, length: number): number {
    return this.#nbd.receive(bytes, offset, length);
  }

  onWritable(): void {
    this.#write();
  }

  onEnd(errno: number): void {
    // Nobody is there any more who could take an answer.
    const how = errno === 0 ? 'was closed' : `failed with error ${errno}`;
    this.#nbd.abort(`the kernel's end of the socket ${how}`);
  }

  onOutput(): void {
    this.#schedule();
  }

  onInputWanted(): void {
    this.#isInputWanted = true;
    this.#schedule();
  }

  onClose(reason: CloseReason, text: string): void {
    this.#end = { reason, text };
    this.#stream.close();
  }

  onReleased(): void {
    this.#release(this.#end as KernelConnectionEnd);
  }

  #schedule(): void {
    if (this.#isTurnScheduled) return;
    this.#isTurnScheduled = true;
    process.nextTick(this.#turn);
  }

  #takeTurn(): void {
    this.#isTurnScheduled = false;
    if (this.#isInputWanted) {
      this.#isInputWanted = false;
      this.#stream.resume();
    }
    this.#write();
  }

  /** Sends until nothing is left or the kernel takes no more; `onWritable` goes on then. */
  #write(): void {
    while (this.#end === undefined) {
      const count = this.#nbd.gatherOutput(this.#windows, WINDOWS);
      if (count === 0) return;
      let offered = 0;
      for (let i = 0; i < count; i++) offered += (this.#windows[i] as OutputWindow).length;
      const taken = this.#stream.send(this.#windows, count);
      if (taken > 0) this.#nbd.outputWritten(taken);
      if (taken < offered) return;
    }
  }
}

/** Stretches of bytes handed to the kernel in one call. */
const WINDOWS = 128;
