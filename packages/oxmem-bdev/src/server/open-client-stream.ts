import type { Socket } from 'node:net';

import { openSocketStream } from '@oxmem/nbd-kernel';

import type { ClientStream } from './client-stream.ts';
import { NativeClientStream } from './native-client-stream.ts';
import { SocketClientStream } from './socket-client-stream.ts';

/**
 * The cheapest stream that there is for an accepted socket. The socket was paused, and belongs to
 * the stream from now on.
 *
 * Node's own streams cost several times as much for a small request. They serve where the addon or
 * the descriptor, which Node shows without promising it, is not to be had.
 */
export function openClientStream(accepted: Socket): ClientStream {
  const { _handle: handle } = accepted as unknown as { _handle?: { fd?: number } | null };
  const descriptor = handle?.fd ?? -1;
  try {
    const stream = openSocketStream(descriptor, { receiveBytes: RECEIVE_BYTES });
    accepted.destroy();
    return new NativeClientStream(stream);
  } catch {
    return new SocketClientStream(accepted);
  }
}

/** Bytes read from a socket at a time; more than a unix socket holds by default. */
const RECEIVE_BYTES = 256 * 1024;
