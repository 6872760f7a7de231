import { assert } from '../assert.ts';
import type { ExportTable, NbdExport } from '../export-table.ts';
import { printableText } from '../wire/text.ts';
import type { CloseReason, ConnectionHost, OutputWindow } from './connection-host.ts';
import { type ConnectionLimits, DEFAULT_LIMITS, checkLimits } from './connection-limits.ts';
import {
  CONNECTION_TRANSITIONS,
  type ConnectionEvent,
  type ConnectionState,
} from './connection-state.ts';
import { Handshake, type HandshakeEnd } from './handshake.ts';
import { type SessionFeatures, simpleSession } from './session-features.ts';
import { Transmission, type TransmissionOwner } from './transmission.ts';

/** What a connection serves, and within which limits: one of `exports` and `fixedExport`. */
export type NbdConnectionOptions = NegotiatedOptions | FixedOptions;

/** The client negotiates and chooses an export. */
export interface NegotiatedOptions {
  readonly exports: ExportTable;
  readonly fixedExport?: undefined;
  /**
   * The client must start TLS before it may ask for anything; false, which is the default: it cannot.
   * The host does the TLS, see `ConnectionHost.onStartTls`.
   */
  readonly tls?: boolean;
  readonly limits?: Partial<ConnectionLimits>;
}

/**
 * There is no handshake and no structured reply: the way of a kernel device, where both ends have
 * been told everything beforehand.
 */
export interface FixedOptions {
  readonly exports?: undefined;
  readonly fixedExport: NbdExport;
  readonly limits?: Partial<ConnectionLimits>;
}

/**
 * The server's end of one NBD connection, without the socket: bytes of the client go in by
 * `receive`, bytes for the client come out by `gatherOutput`, requests go to the export's backend.
 *
 * The host of the connection
 * - passes what it reads to `receive`, keeps what was not taken, and stops reading meanwhile;
 * - sends what `gatherOutput` shows and reports it with `outputWritten`; the bytes of a read's
 *   answer are shown where the backend put them and are not copied;
 * - calls nothing but `gatherOutput` from inside the callbacks of `ConnectionHost`;
 * - ends a connection whose `handshakeDone` is false after `HANDSHAKE_TIME_LIMIT_MS` by `abort`.
 *
 * Whatever the client sends, no method throws for it, and memory stays within the limits: one slab
 * for the data of requests, made when the handshake ends, and a fixed number of requests. When
 * either is used up `receive` takes no more bytes. A client that does not read its answers therefore
 * holds up nobody but itself.
 */
export class NbdConnection implements TransmissionOwner {
  private readonly host: ConnectionHost;
  private readonly limits: ConnectionLimits;
  private readonly handshake: Handshake | undefined;
  private transmission: Transmission | undefined = undefined;
  private currentState: ConnectionState = 'handshake';
  private endReason: CloseReason = 'disconnected';
  private endText = '';
  private busy = false;
  private outputAnnounced: boolean;
  private tlsAnnounced = false;

  constructor(options: NbdConnectionOptions, host: ConnectionHost) {
    this.host = host;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    checkLimits(this.limits);
    // The greeting is announced by being there.
    this.outputAnnounced = options.fixedExport === undefined;
    if (options.fixedExport === undefined) {
      const tls = options.tls ?? false;
      assert(!tls || host.onStartTls !== undefined, 'a host that requires TLS can start it');
      this.handshake = new Handshake(options.exports, this.limits, tls);
    } else {
      this.handshake = undefined;
      const { fixedExport } = options;
      this.beginTransmission(fixedExport, simpleSession(fixedExport.flags));
    }
  }

  get state(): ConnectionState {
    return this.currentState;
  }

  /** Whether the client has chosen an export, or the connection is over. */
  get handshakeDone(): boolean {
    return this.transmission !== undefined || !this.isOpen();
  }

  /** The export that the client has chosen; undefined before that. */
  get chosenExport(): NbdExport | undefined {
    return this.transmission?.nbdExport;
  }

  /** Whether `receive` would take at least one byte now. */
  get wantsInput(): boolean {
    if (this.currentState === 'handshake') return this.handshake?.wantsInput ?? false;
    if (this.currentState === 'transmission') return this.transmission?.wantsInput ?? false;
    return true;
  }

  /** Whether `gatherOutput` would show something now. */
  get hasOutput(): boolean {
    if (this.currentState === 'closed' || this.currentState === 'released') return false;
    return (this.handshake?.hasOutput ?? false) || (this.transmission?.hasOutput ?? false);
  }

  /** Requests, and pieces of long ones, that the backend has not completed. */
  get requestsInBackend(): number {
    return this.transmission?.requestsInBackend ?? 0;
  }

  /** Requests and pieces that are in use: being received, with the backend, or not yet sent. */
  get requestsInUse(): number {
    return this.transmission?.requestsInUse ?? 0;
  }

  /** Bytes of the slab that are in use. */
  get slabBytesInUse(): number {
    return this.transmission?.slabBytesInUse ?? 0;
  }

  /**
   * Takes bytes of the client. They may be cut anywhere. `bytes` is not kept.
   *
   * May also be called with `length` 0, to go on after `onInputWanted`.
   *
   * @returns how many bytes were taken, from `offset` on. Fewer than `length`: the connection is
   *          full; keep the rest, stop reading, and offer it again after `onInputWanted`. After the
   *          end of the connection everything is taken and ignored
   */
  receive(bytes: Uint8Array, offset: number, length: number): number {
    assert(!this.busy, 'receive is not called from inside a callback');
    this.busy = true;
    let taken = 0;
    if (this.currentState === 'handshake') taken = this.receiveHandshake(bytes, offset, length);
    if (this.transmission !== undefined && this.isOpen()) {
      taken += this.transmission.receive(bytes, offset + taken, length - taken);
    } else if (this.currentState !== 'handshake') {
      taken = length;
    }
    this.busy = false;
    this.settle();
    return taken;
  }

  /**
   * The client will send nothing more (it closed its sending side), and every byte that came before
   * has been taken by `receive`. Open requests are completed and answered, then the connection
   * closes with `inputEnded`. If the client is gone altogether, the host's attempt to send will
   * fail; that is then the time for `abort`.
   */
  endInput(): void {
    this.beginEnd('inputEnded', 'the client closed the connection without saying so');
  }

  /**
   * The server wants to stop: takes no new requests, finishes those that are open, then closes with
   * `shutdown`. A client that does not read its answers delays this for ever; `abort` ends that.
   */
  shutdown(): void {
    this.beginEnd('shutdown', 'the server is shutting down');
  }

  /**
   * Ends the connection at once: the socket failed, or the host has had enough. What is ready is not
   * sent any more. Requests with the backend complete into nothing. Idempotent.
   *
   * @param text  why, in one sentence
   */
  abort(text: string): void {
    if (this.isOpen()) this.break('hostAborted', text);
  }

  /**
   * Shows what is to be sent, in order, from the first byte not yet reported as written. The bytes
   * stay where they are, unchanged, until `outputWritten` reports them or the connection closes.
   *
   * @param windows  filled in from the start
   * @param max      how many of them may be filled in, at least 1
   * @returns how many were filled in; 0: nothing to send
   */
  gatherOutput(windows: readonly OutputWindow[], max: number): number {
    this.outputAnnounced = false;
    if (!this.isOpen()) return 0;
    const count = this.handshake?.gather(windows, max) ?? 0;
    if (count === max || this.transmission === undefined) return count;
    return this.transmission.gather(windows, count, max);
  }

  /**
   * Reports that the next `byteCount` bytes of the output have been handed to the operating system,
   * which releases the memory that they lay in. Any number up to what the last `gatherOutput`
   * showed. Ignored after the end of the connection.
   */
  outputWritten(byteCount: number): void {
    if (!this.isOpen()) return;
    assert(!this.busy, 'outputWritten is not called from inside a callback');
    this.busy = true;
    const parked = !this.wantsInput;
    const forHandshake = this.handshake?.written(byteCount) ?? 0;
    this.transmission?.written(byteCount - forHandshake);
    this.busy = false;
    this.settle();
    if (parked && this.isOpen() && this.wantsInput) this.host.onInputWanted();
  }

  /** Answers `onStartTls`: what `receive` takes and `gatherOutput` shows goes through TLS now. */
  tlsStarted(): void {
    if (!this.isOpen()) return;
    assert(this.tlsAnnounced, 'tlsStarted answers onStartTls');
    this.handshake?.tlsStarted();
  }

  /** @internal */
  transmissionOutput(): void {
    if (!this.busy) this.settle();
  }

  /** @internal */
  transmissionResumable(): void {
    if (!this.busy && this.isOpen()) this.host.onInputWanted();
  }

  /** @internal */
  transmissionReturned(): void {
    if (!this.busy) this.settle();
  }

  private isOpen(): boolean {
    return this.currentState !== 'closed' && this.currentState !== 'released';
  }

  private receiveHandshake(bytes: Uint8Array, offset: number, length: number): number {
    const handshake = this.handshake;
    assert(handshake !== undefined, 'the state handshake has a handshake');
    const taken = handshake.receive(bytes, offset, length);
    if (handshake.end !== undefined) this.finishHandshake(handshake.end);
    return taken;
  }

  private finishHandshake(end: HandshakeEnd): void {
    if (end.kind === 'chosen') {
      this.beginTransmission(end.nbdExport, end.features);
    } else if (end.kind === 'aborted') {
      this.beginEnd('aborted', 'the client ended the handshake');
    } else {
      this.break(end.kind, end.text);
    }
  }

  private beginTransmission(nbdExport: NbdExport, features: SessionFeatures): void {
    this.transmission = new Transmission(this.limits, nbdExport, features, this);
    this.move('negotiated');
  }

  private beginEnd(reason: CloseReason, text: string): void {
    if (this.currentState !== 'handshake' && this.currentState !== 'transmission') return;
    this.endReason = reason;
    this.endText = text;
    this.move('endBegan');
    const wasBusy = this.busy;
    this.busy = true;
    this.transmission?.endInput(reason === 'inputEnded');
    this.busy = wasBusy;
    if (!this.busy) this.settle();
  }

  /** Draws the conclusions after anything has changed; the one place that leaves a busy stretch. */
  private settle(): void {
    const transmission = this.transmission;
    if (transmission !== undefined && this.isOpen()) this.heedTransmission(transmission);
    if (this.currentState === 'draining' && this.isDrained()) {
      this.move('drained');
      this.host.onClose(this.endReason, this.endText);
    }
    if (this.currentState === 'closed' && this.requestsInBackend === 0) {
      this.move('returned');
      this.host.onReleased();
    }
    if (this.hasOutput && !this.outputAnnounced) {
      this.outputAnnounced = true;
      this.host.onOutput();
    }
    if (this.currentState === 'handshake' && this.handshake?.isTlsDue && !this.tlsAnnounced) {
      this.tlsAnnounced = true;
      this.host.onStartTls?.();
    }
  }

  private heedTransmission(transmission: Transmission): void {
    if (transmission.failure !== undefined) {
      this.break(transmission.failure.reason, transmission.failure.text);
    } else if (transmission.disconnectSeen && this.currentState === 'transmission') {
      this.endReason = 'disconnected';
      this.endText = 'the client disconnected';
      this.move('endBegan');
      this.host.onDisconnect?.();
    }
  }

  private isDrained(): boolean {
    return !this.hasOutput && (this.transmission?.isDrained ?? true);
  }

  private break(reason: CloseReason, text: string): void {
    this.move('broke');
    this.transmission?.abandon();
    this.host.onClose(reason, printableText(text));
    if (!this.busy) this.settle();
  }

  private move(event: ConnectionEvent): void {
    const next = CONNECTION_TRANSITIONS[this.currentState][event];
    assert(next !== undefined, `${event} cannot happen in ${this.currentState}`);
    this.currentState = next;
  }
}
