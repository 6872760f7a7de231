import type { Socket } from 'node:net';

import type { OutputWindow } from '@oxmem/nbd-protocol';

import { systemCode } from '../errors.ts';
import type { ClientStream, ClientStreamHandlers } from './client-stream.ts';

/** A client's stream over a socket of Node, which may be one with TLS. */
export class SocketClientStream implements ClientStream {
  readonly #socket: Socket;
  #handlers: ClientStreamHandlers | undefined = undefined;
  /** The chunk whose bytes from `#taken` on wait for `resume`. */
  #chunk: Uint8Array = NO_BYTES;
  #taken = 0;
  #bytesBeingWritten = 0;
  readonly #written = (error?: Error | null): void => {
    const written = this.#bytesBeingWritten;
    this.#bytesBeingWritten = 0;
    if (!error) this.#handlers?.onSent(written);
  };

  /** @param socket  paused; belongs to the stream from now on */
  constructor(socket: Socket) {
    this.#socket = socket;
  }

  start(handlers: ClientStreamHandlers): void {
    this.#handlers = handlers;
    const socket = this.#socket;
    socket.on('data', (chunk: Buffer) => {
      this.#chunk = chunk;
      this.#taken = 0;
      if (!this.#offer()) socket.pause();
    });
    socket.on('end', () => handlers.onInputEnd());
    socket.on('error', (error) => {
      const isGone = GONE.has(systemCode(error) ?? '');
      handlers.onBroken(isGone ? undefined : error.message);
    });
    socket.on('close', () => {
      handlers.onBroken(undefined);
      handlers.onClosed();
    });
    socket.resume();
  }

  resume(): void {
    if (this.#offer()) this.#socket.resume();
  }

  /** Takes nothing at once: Node looks at the bytes until it has written them. */
  send(windows: readonly OutputWindow[], count: number): number {
    const socket = this.#socket;
    socket.cork();
    for (let i = 0; i < count; i++) {
      const { bytes, offset, length } = windows[i] as OutputWindow;
      this.#bytesBeingWritten += length;
      const view = Buffer.from(bytes.buffer, bytes.byteOffset + offset, length);
      // Writes end in order: the last one stands for all.
      if (i < count - 1) socket.write(view);
      else socket.write(view, this.#written);
    }
    socket.uncork();
    return 0;
  }

  close(isInOrder: boolean): void {
    if (isInOrder) this.#socket.destroySoon();
    else this.#socket.destroy();
  }

  /** @returns whether everything was taken */
  #offer(): boolean {
    const length = this.#chunk.length - this.#taken;
    this.#taken += this.#handlers?.onReceive(this.#chunk, this.#taken, length) ?? 0;
    return this.#taken === this.#chunk.length;
  }
}

const NO_BYTES = new Uint8Array(0);
const GONE: ReadonlySet<string> = new Set(['EPIPE', 'ECONNRESET']);
