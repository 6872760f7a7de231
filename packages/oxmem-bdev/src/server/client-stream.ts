import type { Socket } from 'node:net';

import type { OutputWindow } from '@oxmem/nbd-protocol';

/** What a stream tells the connection that it carries. Never from inside a method, if not said. */
export interface ClientStreamHandlers {
  /**
   * Bytes of the client. What is not taken is offered again by `resume`, from inside it, and nothing
   * more is read before. They are overwritten after the return, but for those.
   *
   * @returns how many were taken
   */
  onReceive(bytes: Uint8Array, offset: number, length: number): number;
  /** A `send` that was cut short is through: `byteCount` more bytes have been taken. */
  onSent(byteCount: number): void;
  /** The client has said all; it may still read. */
  onInputEnd(): void;
  /** The stream is over; undefined: the client is gone. Only `onClosed` comes afterwards. */
  onBroken(problem: string | undefined): void;
  /** The socket is closed. May come from inside `close`. */
  onClosed(): void;
}

/** The bytes of one client, both ways, whatever carries them. */
export interface ClientStream {
  /** Starts to read. Once only. */
  start(handlers: ClientStreamHandlers): void;
  /** Offers what was not taken, and goes on reading when all of it is. */
  resume(): void;
  /**
   * Sends the first `count` windows.
   *
   * @returns how many bytes were taken at once. If not all were, the rest must stay as it is until
   *          `onSent`, and `send` must not be called before
   */
  send(windows: readonly OutputWindow[], count: number): number;
  /**
   * Puts TLS between the client and what is sent and received from now on. Only where the session
   * is told to use TLS.
   *
   * @param onDone  called once; with a problem there is no TLS, and the stream is over
   */
  startTls?(onDone: (problem: string | undefined) => void): void;
  /**
   * Ends the stream. Idempotent.
   *
   * @param isInOrder  what was sent is written before
   */
  close(isInOrder: boolean): void;
}

/** Makes the stream of an accepted socket, which was paused, and which it takes over. */
export type OpenClientStream = (accepted: Socket) => ClientStream;
