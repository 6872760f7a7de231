/**
 * The units that users type and read, as pure parsers and printers.
 *
 * A parser returns a value or undefined, never an exception: what to say about a bad text is the
 * business of whoever knows which option it came from. What a printer writes, its parser reads back
 * as the same value.
 */
export { parseAddress, formatAddress } from './address.ts';
export { parseDuration, parseSeconds, formatDuration } from './duration.ts';
export { parseHostPort, parseLocalHostPort, formatHostPort, type HostPort } from './host-port.ts';
export { parseInteger, type IntegerBounds } from './integer.ts';
export { parseMac, formatMac, isMulticastMac } from './mac.ts';
export { parseProbability, formatProbability } from './probability.ts';
export { parseSize, formatSize } from './size.ts';
export {
  ADDRESS_ZERO,
  addressPlus,
  compareAddresses,
  type RemoteAddress,
} from '../remote-address.ts';
