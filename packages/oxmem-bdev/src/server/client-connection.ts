import {
  NbdConnection,
  createOutputWindows,
  type CloseReason,
  type ConnectionHost,
  type ConnectionLimits,
  type ExportTable,
  type OutputWindow,
} from '@oxmem/nbd-protocol';
import type { Alarm, Clock, Micros } from '@oxmem/tloe-protocol';

import type { ClientStream, ClientStreamHandlers } from './client-stream.ts';

/** What a client connection serves and within which bounds. */
export interface ClientConnectionOptions {
  readonly exports: ExportTable;
  readonly clock: Clock;
  readonly handshakeMicros: Micros;
  readonly limits?: Partial<ConnectionLimits> | undefined;
  /** Clients must start TLS, and the stream can do it. */
  readonly isTls?: boolean | undefined;
}

/** The end of a connection, for the log. */
export interface ConnectionEnd {
  readonly reason: CloseReason;
  /** One sentence, harmless characters only. */
  readonly text: string;
  /** Clients leave in this way every day. */
  readonly isOrdinary: boolean;
}

/**
 * One client: a stream around an `NbdConnection`. Bytes go from the stream's buffer straight to the
 * session; answers go out from where the device put them, one batch of windows at a time.
 *
 * Back-pressure both ways: while the session takes no more, the client is not read; while the
 * client does not read, nothing new is gathered. What callbacks of the session ask for happens at
 * the end of the event in which they were called, so the answers that one batch of frames brings
 * leave together.
 */
export class ClientConnection implements ConnectionHost, ClientStreamHandlers {
  readonly #nbd: NbdConnection;
  readonly #stream: ClientStream;
  readonly #windows = createOutputWindows(WINDOWS);
  readonly #handshakeAlarm: Alarm;
  readonly #onGone: (end: ConnectionEnd) => void;
  readonly #turn = (): void => this.#takeTurn();
  #isInputWanted = false;
  #isTurnScheduled = false;
  /** The stream has bytes that it has not written. */
  #isSending = false;
  #end: ConnectionEnd | undefined = undefined;
  #isReleased = false;
  #isStreamClosed = false;

  /**
   * @param stream  not started yet; belongs to the connection from now on
   * @param onGone  called once, when stream and requests are over
   */
  constructor(
    stream: ClientStream,
    options: ClientConnectionOptions,
    onGone: (end: ConnectionEnd) => void,
  ) {
    const { clock, limits, exports, isTls = false } = options;
    this.#onGone = onGone;
    this.#stream = stream;
    this.#nbd = new NbdConnection({ exports, tls: isTls, ...(limits && { limits }) }, this);
    this.#handshakeAlarm = clock.createAlarm(() => this.abort('the handshake took too long'));
    this.#handshakeAlarm.arm(clock.now() + options.handshakeMicros);
    stream.start(this);
    this.#schedule();
  }

  /** Requests that the device has. */
  get requestsInBackend(): number {
    return this.#nbd.requestsInBackend;
  }

  /** Takes no more requests, answers those that are open, then closes. */
  shutdown(): void {
    this.#nbd.shutdown();
  }

  /** Closes at once. */
  abort(text: string): void {
    this.#nbd.abort(text);
  }

  onReceive(bytes: Uint8Array, offset: number, length: number): number {
    const taken = this.#nbd.receive(bytes, offset, length);
    if (this.#nbd.handshakeDone) this.#handshakeAlarm.close();
    return taken;
  }

  onSent(byteCount: number): void {
    this.#isSending = false;
    if (byteCount > 0) this.#nbd.outputWritten(byteCount);
    this.#send();
  }

  onInputEnd(): void {
    this.#nbd.endInput();
  }

  /** A client that leaves without reading its last answers (nbdinfo does) is no error. */
  onBroken(problem: string | undefined): void {
    this.#nbd.abort(problem === undefined ? CLIENT_GONE : `the socket failed: ${problem}`);
  }

  onClosed(): void {
    this.#isStreamClosed = true;
    this.#tellIfGone();
  }

  onOutput(): void {
    this.#schedule();
  }

  onInputWanted(): void {
    this.#isInputWanted = true;
    this.#schedule();
  }

  onStartTls(): void {
    this.#stream.startTls?.((problem) => {
      if (problem === undefined) this.#nbd.tlsStarted();
      else this.abort(`TLS failed: ${problem}`);
    });
  }

  onClose(reason: CloseReason, text: string): void {
    const isInOrder = IN_GOOD_ORDER.has(reason);
    this.#end = { reason, text, isOrdinary: isInOrder || text === CLIENT_GONE };
    this.#handshakeAlarm.close();
    this.#stream.close(isInOrder);
  }

  onReleased(): void {
    this.#isReleased = true;
    this.#tellIfGone();
  }

  #schedule(): void {
    if (this.#isTurnScheduled) return;
    this.#isTurnScheduled = true;
    process.nextTick(this.#turn);
  }

  /** The end of an event: what the session asked for during it. */
  #takeTurn(): void {
    this.#isTurnScheduled = false;
    if (this.#end !== undefined) return;
    if (this.#isInputWanted) {
      this.#isInputWanted = false;
      this.#stream.resume();
    }
    this.#send();
  }

  /** Sends until nothing is left or the stream takes no more; `onSent` goes on then. */
  #send(): void {
    while (this.#end === undefined && !this.#isSending) {
      const count = this.#nbd.gatherOutput(this.#windows, WINDOWS);
      if (count === 0) return;
      let offered = 0;
      for (let i = 0; i < count; i++) offered += (this.#windows[i] as OutputWindow).length;
      const taken = this.#stream.send(this.#windows, count);
      this.#isSending = taken < offered;
      if (taken > 0) this.#nbd.outputWritten(taken);
    }
  }

  #tellIfGone(): void {
    if (this.#isReleased && this.#isStreamClosed && this.#end !== undefined)
      this.#onGone(this.#end);
  }
}

/** Stretches of bytes handed to the stream in one call. */
const WINDOWS = 128;
const CLIENT_GONE = 'the client is gone';
/** After these, everything that the client should have has been written. */
const IN_GOOD_ORDER: ReadonlySet<CloseReason> = new Set<CloseReason>([
  'disconnected',
  'aborted',
  'inputEnded',
  'shutdown',
]);
