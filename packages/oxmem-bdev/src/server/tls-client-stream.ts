import type { Socket } from 'node:net';

import type { OutputWindow } from '@oxmem/nbd-protocol';

import type { ClientStream, ClientStreamHandlers } from './client-stream.ts';
import { SocketClientStream } from './socket-client-stream.ts';
import type { TlsStarter } from './tls-starter.ts';

/**
 * A client's stream that begins in plain and goes on with TLS when told to. Both are sockets of Node:
 * the one with TLS lies over the other, which stays, and tells when all is closed.
 */
export class TlsClientStream implements ClientStream {
  readonly #plain: Socket;
  readonly #starter: TlsStarter;
  #handlers: ClientStreamHandlers | undefined = undefined;
  #stream: SocketClientStream;
  #isClosed = false;

  /** @param accepted  paused; belongs to the stream from now on */
  constructor(accepted: Socket, starter: TlsStarter) {
    this.#plain = accepted;
    this.#starter = starter;
    this.#stream = new SocketClientStream(accepted);
  }

  start(handlers: ClientStreamHandlers): void {
    this.#handlers = handlers;
    this.#stream.start(handlers);
  }

  startTls(onDone: (problem: string | undefined) => void): void {
    this.#plain.removeAllListeners('data');
    this.#plain.removeAllListeners('end');
    this.#starter.start(this.#plain, ({ secured, problem }) => {
      if (secured === undefined) {
        onDone(problem);
      } else if (this.#isClosed || this.#handlers === undefined) {
        secured.destroy();
      } else {
        this.#stream = new SocketClientStream(secured);
        onDone(undefined);
        this.#stream.start(withoutClosed(this.#handlers));
      }
    });
  }

  resume(): void {
    this.#stream.resume();
  }

  send(windows: readonly OutputWindow[], count: number): number {
    return this.#stream.send(windows, count);
  }

  close(isInOrder: boolean): void {
    this.#isClosed = true;
    this.#stream.close(isInOrder);
  }
}

/** The socket below says it. */
function withoutClosed(handlers: ClientStreamHandlers): ClientStreamHandlers {
  return {
    onReceive: (bytes, offset, length) => handlers.onReceive(bytes, offset, length),
    onSent: (byteCount) => handlers.onSent(byteCount),
    onInputEnd: () => handlers.onInputEnd(),
    onBroken: (problem) => handlers.onBroken(problem),
    onClosed: () => {},
  };
}
