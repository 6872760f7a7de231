import { Socket } from 'node:net';

/** Who gets the bytes of a socket. */
export interface ByteSink {
  /**
   * `length` bytes stand at the start of the buffer; they are overwritten after the return.
   *
   * @returns false: read nothing more before `resume`, the bytes stay where they are until then
   */
  onBytes(length: number): boolean;
}

/**
 * Takes over a socket that a server has accepted with `pauseOnConnect`, so that the kernel's bytes
 * go straight into `buffer`: no allocation and no copy for each stretch that arrives.
 *
 * Node offers this (`onread`) only to sockets that connect, so the handle of the accepted socket is
 * put into a socket made for it. Should a version of Node hide the handle, `readChunks` does the
 * same with a copy.
 *
 * @returns the socket to use from now on, reading
 */
export function readIntoBuffer(accepted: Socket, buffer: Uint8Array, sink: ByteSink): Socket {
  const holder = accepted as unknown as { _handle: object | null | undefined };
  const handle = holder._handle;
  if (handle === null || handle === undefined) return readChunks(accepted, buffer, sink);
  holder._handle = null;
  accepted.destroy();
  const options = {
    handle,
    allowHalfOpen: true,
    onread: { buffer, callback: (length: number) => sink.onBytes(length) },
  };
  const socket = new Socket(options);
  socket.resume();
  return socket;
}

/** The same with what every socket offers; the buffer must hold the largest chunk, 64 KiB. */
export function readChunks(socket: Socket, buffer: Uint8Array, sink: ByteSink): Socket {
  socket.on('data', (chunk: Buffer) => {
    buffer.set(chunk);
    if (!sink.onBytes(chunk.length)) socket.pause();
  });
  socket.resume();
  return socket;
}
