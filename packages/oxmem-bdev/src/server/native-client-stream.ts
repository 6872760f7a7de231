import { constants } from 'node:os';

import type { ByteStream } from '@oxmem/nbd-kernel';
import type { OutputWindow } from '@oxmem/nbd-protocol';

import type { ClientStream, ClientStreamHandlers } from './client-stream.ts';

/** A client's stream by system calls of the addon: one for each batch, either way. */
export class NativeClientStream implements ClientStream {
  readonly #stream: ByteStream;
  #handlers: ClientStreamHandlers | undefined = undefined;
  #isClosed = false;

  /** @param stream  of a socket; not started yet */
  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  start(handlers: ClientStreamHandlers): void {
    this.#handlers = handlers;
    this.#stream.start({
      onReceive: (bytes, offset, length) => handlers.onReceive(bytes, offset, length),
      onWritable: () => handlers.onSent(0),
      onEnd: (errno) => {
        if (errno === 0) handlers.onInputEnd();
        else handlers.onBroken(GONE.has(errno) ? undefined : `error ${errno}`);
      },
    });
  }

  resume(): void {
    this.#stream.resume();
  }

  send(windows: readonly OutputWindow[], count: number): number {
    return this.#stream.send(windows, count);
  }

  /** What was taken is with the kernel, which writes it either way. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stream.close();
    this.#handlers?.onClosed();
  }
}

const GONE: ReadonlySet<number> = new Set([constants.errno.EPIPE, constants.errno.ECONNRESET]);
