import {
  RawSocket,
  RawSocketError,
  type NativeBinding,
  type RawSocketErrorCode,
} from '@oxmem/rawsock';
import { DEFAULT_ETHER_TYPE, type Micros } from '@oxmem/tloe-protocol';

import { DriverError, type DriverErrorCode } from '../errors.ts';

/** What the raw socket of a driver is opened with. */
export interface RawTransportOptions {
  readonly netdev: string;
  readonly busyPoll: Micros;
  /** TileLink accesses in flight at most. */
  readonly window: number;
}

/**
 * Opens the raw socket: the interface must be there and up, and we must be allowed to. It hears
 * every OmniXtend sender at first, so that a wrong MAC address can be told from silence.
 *
 * @param binding  the native addon, or a mock of it
 * @throws DriverError ERR_OXMEM_INTERFACE, ERR_OXMEM_PERMISSION, ERR_OXMEM_RAW_SOCKET
 */
export function openRawTransport(options: RawTransportOptions, binding?: NativeBinding): RawSocket {
  try {
    return RawSocket.open(
      {
        interfaceName: options.netdev,
        etherType: DEFAULT_ETHER_TYPE,
        busyPollMicros: options.busyPoll,
        receiveRingFrames: RING_FRAMES_PER_ACCESS * options.window,
        requireUp: true,
      },
      binding,
    );
  } catch (thrown) {
    if (!(thrown instanceof RawSocketError)) throw thrown;
    throw new DriverError(DRIVER_CODES[thrown.code], thrown.message, thrown);
  }
}

/** Its answer, and whatever else comes meanwhile: acknowledgements, what was sent twice. */
const RING_FRAMES_PER_ACCESS = 2;

const DRIVER_CODES: Readonly<Record<RawSocketErrorCode, DriverErrorCode>> = {
  ERR_RAWSOCK_NO_INTERFACE: 'ERR_OXMEM_INTERFACE',
  ERR_RAWSOCK_INTERFACE_DOWN: 'ERR_OXMEM_INTERFACE',
  ERR_RAWSOCK_PERMISSION: 'ERR_OXMEM_PERMISSION',
  ERR_RAWSOCK_CLOSED: 'ERR_OXMEM_RAW_SOCKET',
  ERR_RAWSOCK_NO_ADDON: 'ERR_OXMEM_RAW_SOCKET',
  ERR_RAWSOCK_OS: 'ERR_OXMEM_RAW_SOCKET',
};
