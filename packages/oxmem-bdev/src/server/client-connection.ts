import type { Socket } from 'node:net';

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

import { systemCode } from '../errors.ts';
import { readIntoBuffer, type ByteSink } from './byte-source.ts';

/** What a client connection serves and within which bounds. */
export interface ClientConnectionOptions {
  readonly exports: ExportTable;
  readonly clock: Clock;
  readonly handshakeMicros: Micros;
  readonly limits?: Partial<ConnectionLimits> | undefined;
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
 * One client: a socket around an `NbdConnection`. Bytes go from the kernel into one fixed buffer and
 * from there to the session; answers go out from where the device put them, one batch of windows at
 * a time. The bytes of a batch stay untouched until the socket has written them.
 *
 * Back-pressure both ways: while the session takes no more, the socket is not read; while the
 * client does not read, nothing new is gathered. What callbacks of the session ask for happens at
 * the end of the event in which they were called, so the answers that one batch of frames brings
 * leave together.
 */
export class ClientConnection implements ConnectionHost, ByteSink {
  readonly #nbd: NbdConnection;
  readonly #socket: Socket;
  readonly #input = Buffer.allocUnsafeSlow(INPUT_BYTES);
  readonly #windows = createOutputWindows(WINDOWS);
  readonly #handshakeAlarm: Alarm;
  readonly #onGone: (end: ConnectionEnd) => void;
  readonly #turn = (): void => this.#takeTurn();
  readonly #written = (error?: Error | null): void => this.#onWritten(error);
  /** Bytes `#inputStart` .. `#inputEnd - 1` of the input wait for the session. */
  #inputStart = 0;
  #inputEnd = 0;
  #isPaused = false;
  #isInputWanted = false;
  #isTurnScheduled = false;
  #bytesBeingWritten = 0;
  #end: ConnectionEnd | undefined = undefined;
  #isReleased = false;
  #isSocketClosed = false;

  /**
   * @param accepted  a paused socket; belongs to the connection from now on
   * @param onGone    called once, when socket and requests are over
   */
  constructor(
    accepted: Socket,
    options: ClientConnectionOptions,
    onGone: (end: ConnectionEnd) => void,
  ) {
    const { clock, limits, exports } = options;
    this.#onGone = onGone;
    this.#nbd = new NbdConnection({ exports, ...(limits && { limits }) }, this);
    this.#handshakeAlarm = clock.createAlarm(() => this.abort('the handshake took too long'));
    this.#handshakeAlarm.arm(clock.now() + options.handshakeMicros);
    this.#socket = readIntoBuffer(accepted, this.#input, this);
    this.#socket.setNoDelay(true);
    this.#socket.setKeepAlive(true, KEEP_ALIVE_MILLIS);
    this.#socket.on('end', () => this.#nbd.endInput());
    // 'close' follows and says the rest.
    this.#socket.on('error', (error) => this.#onSocketError(error));
    this.#socket.on('close', () => this.#onSocketClosed());
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

  onBytes(length: number): boolean {
    this.#inputStart = 0;
    this.#inputEnd = length;
    return this.#feed();
  }

  onOutput(): void {
    this.#schedule();
  }

  onInputWanted(): void {
    this.#isInputWanted = true;
    this.#schedule();
  }

  onClose(reason: CloseReason, text: string): void {
    const isOrdinary = IN_GOOD_ORDER.has(reason) || text === CLIENT_GONE;
    this.#end = { reason, text, isOrdinary };
    this.#handshakeAlarm.close();
    if (IN_GOOD_ORDER.has(reason)) this.#socket.destroySoon();
    else this.#socket.destroy();
  }

  onReleased(): void {
    this.#isReleased = true;
    this.#tellIfGone();
  }

  /** Offers the waiting bytes to the session; returns whether it took them all. */
  #feed(): boolean {
    const waiting = this.#inputEnd - this.#inputStart;
    this.#inputStart += this.#nbd.receive(this.#input, this.#inputStart, waiting);
    if (this.#nbd.handshakeDone) this.#handshakeAlarm.close();
    this.#isPaused = this.#inputStart < this.#inputEnd;
    return !this.#isPaused;
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
      const wasPaused = this.#isPaused;
      if (this.#feed() && wasPaused) this.#socket.resume();
    }
    this.#writeBatch();
  }

  #writeBatch(): void {
    if (this.#bytesBeingWritten > 0 || this.#end !== undefined) return;
    const count = this.#nbd.gatherOutput(this.#windows, WINDOWS);
    if (count === 0) return;
    let total = 0;
    this.#socket.cork();
    for (let i = 0; i < count; i++) {
      const { bytes, offset, length } = this.#windows[i] as OutputWindow;
      total += length;
      const view = Buffer.from(bytes.buffer, bytes.byteOffset + offset, length);
      // Writes end in order: the last one stands for all.
      if (i < count - 1) this.#socket.write(view);
      else this.#socket.write(view, this.#written);
    }
    this.#bytesBeingWritten = total;
    this.#socket.uncork();
  }

  #onWritten(error?: Error | null): void {
    if (error) return;
    const written = this.#bytesBeingWritten;
    this.#bytesBeingWritten = 0;
    this.#nbd.outputWritten(written);
    this.#writeBatch();
  }

  /** A client that leaves without reading its last answers (nbdinfo does) is no error. */
  #onSocketError(error: Error): void {
    const code = systemCode(error);
    const isGone = code === 'EPIPE' || code === 'ECONNRESET';
    this.#nbd.abort(isGone ? CLIENT_GONE : `the socket failed: ${error.message}`);
  }

  #onSocketClosed(): void {
    this.#isSocketClosed = true;
    this.#nbd.abort(CLIENT_GONE);
    this.#tellIfGone();
  }

  #tellIfGone(): void {
    if (this.#isReleased && this.#isSocketClosed && this.#end !== undefined)
      this.#onGone(this.#end);
  }
}

/** Bytes read from the socket at a time; more than a unix socket holds by default. */
const INPUT_BYTES = 256 * 1024;
/** Stretches of bytes handed to the socket in one call. */
const WINDOWS = 64;
const CLIENT_GONE = 'the client is gone';
const KEEP_ALIVE_MILLIS = 60_000;
/** After these, everything that the client should have has been written. */
const IN_GOOD_ORDER: ReadonlySet<CloseReason> = new Set<CloseReason>([
  'disconnected',
  'aborted',
  'inputEnded',
  'shutdown',
]);
