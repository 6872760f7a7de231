/** A stretch of bytes to be sent. Objects are made once by the host and filled in again and again. */
export interface OutputWindow {
  /** The memory that holds the bytes. Not to be changed by the host. */
  bytes: Uint8Array;
  /** First byte, counted from the start of `bytes`. */
  offset: number;
  /** Number of bytes, at least 1. */
  length: number;
}

/** Makes `count` windows for `NbdConnection.gatherOutput`. */
export function createOutputWindows(count: number): OutputWindow[] {
  const none = new Uint8Array(0);
  return Array.from({ length: count }, () => ({ bytes: none, offset: 0, length: 0 }));
}

/** Why the byte stream of a connection is over. */
export type CloseReason =
  /** The client said DISC and has got all its replies. */
  | 'disconnected'
  /** The client ended the handshake with OPT_ABORT. */
  | 'aborted'
  /** The client closed its sending side without a word. Its open requests were answered first. */
  | 'inputEnded'
  /** The server asked for the end with `shutdown`. */
  | 'shutdown'
  /** The client broke the protocol in a way that leaves no legal answer. */
  | 'protocolViolation'
  /** The client asked for an export that does not exist in a way that leaves no legal answer. */
  | 'exportUnknown'
  /** A limit of the handshake was exceeded: options, bytes. */
  | 'limitExceeded'
  /** A read failed after the first part of its reply had been sent. */
  | 'readFailed'
  /** The host gave the connection up with `abort`: socket error, time limit. */
  | 'hostAborted';

/**
 * What a connection tells the code that owns its socket. All of these may be called from inside
 * `receive`, `outputWritten`, `endInput`, `shutdown` and `abort`, and from inside
 * `BlockRequest.complete`.
 *
 * The host must not call `receive` from inside any of them: it notes that there is something to do
 * and does it when it has the control again (at the end of its own event).
 */
export interface ConnectionHost {
  /**
   * There are bytes to send that were not there at the last `gatherOutput`. Not called again before
   * the next `gatherOutput`. The greeting is ready after construction, without a call.
   */
  onOutput(): void;
  /**
   * The connection was full and can go on: call `receive` with the bytes that it did not take, also
   * if there are none of them (length 0), and resume reading the socket.
   */
  onInputWanted(): void;
  /**
   * The client wants TLS, has been told so, and `outputWritten` has reported the last byte of it:
   * from here on nothing goes in plain. Call `tlsStarted` once TLS is there, or `abort`. Needed by
   * connections with `tls`.
   */
  onStartTls?(): void;
  /**
   * The client has said DISC. `onClose` follows when its open requests are answered; a client that
   * does not wait for that ends the stream before.
   */
  onDisconnect?(): void;
  /**
   * The byte stream is over; close the socket. Nothing more will be sent or taken.
   *
   * @param text  one sentence for the log; harmless characters only
   */
  onClose(reason: CloseReason, text: string): void;
  /**
   * Called once after `onClose`, when the backend has given back the last request of this
   * connection: its memory is not used any more.
   */
  onReleased(): void;
}
