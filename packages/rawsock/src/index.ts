/**
 * Raw Ethernet for Node on Linux: AF_PACKET sockets that exchange frames in batches.
 *
 * Knows no protocol above the MAC header, keeps no policy. `RawSocket` is the whole of it; the
 * `./mock` entry has the same without a network.
 */
export { RawSocket } from './raw-socket.ts';
export type {
  FrameRegion,
  RawSocketCounters,
  RawSocketHandlers,
  RawSocketOptions,
} from './raw-socket.ts';
export { FrameSlab } from './frame-slab.ts';
export { interfaceInfo, listInterfaces } from './interface-info.ts';
export { endProcess } from './end-process.ts';
export { loadBinding } from './load-binding.ts';
export { RawSocketError, interfaceDownError } from './errors.ts';
export type { RawSocketErrorCode, RawSocketErrorDetails } from './errors.ts';
export type {
  CounterName,
  InterfaceInfo,
  NativeAddon,
  NativeBinding,
  NativeError,
  NativeSocket,
  NativeSocketOptions,
} from './native-binding.ts';
