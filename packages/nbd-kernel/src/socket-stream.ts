import { ByteStream } from './byte-stream.ts';
import type { ByteStreamOptions } from './byte-stream.ts';
import { loadBinding } from './load-binding.ts';

/**
 * The stream of a client that has connected to a socket of this process, which may be a unix or a
 * TCP socket: as cheap as the kernel's.
 *
 * @param socket  its descriptor, which is duplicated: the caller closes it, and reads it no more
 * @throws NbdDeviceError ERR_NBD_NO_ADDON; NativeError; RangeError
 */
export function openSocketStream(
  socket: number,
  options: Pick<ByteStreamOptions, 'receiveBytes'> = {},
): ByteStream {
  return new ByteStream(loadBinding(), { ...options, socket });
}
