/** Bytes of a MAC address. */
export const MAC_BYTES = 6;

/** Bytes before the TLoE header: destination, source, EtherType. VLAN tags are not supported. */
export const ETHERNET_HEADER_BYTES = 14;

/**
 * EtherType of TLoE frames. OmniXtend 1.0.3 §3 leaves the number open and uses 0x8925 as an
 * illustration; every device and the published dissector use 0xAAAA. A setting of each connection.
 */
export const DEFAULT_ETHER_TYPE = 0xaaaa;

/** Offset of the source MAC address in a frame. */
export const SOURCE_MAC_OFFSET = 6;

/** Offset of the EtherType in a frame. */
export const ETHER_TYPE_OFFSET = 12;

/** Whether the six bytes at `offset` are `mac`. */
export function isMacAt(bytes: Uint8Array, offset: number, mac: Uint8Array): boolean {
  for (let i = 0; i < MAC_BYTES; i++) if (bytes[offset + i] !== mac[i]) return false;
  return true;
}

/** The addresses and the type of an Ethernet II frame. */
export interface EthernetHeader {
  readonly destination: Uint8Array;
  readonly source: Uint8Array;
  readonly etherType: number;
}

/** Writes the 14 bytes of a MAC header at `offset`. */
export function writeEthernetHeader(
  bytes: Uint8Array,
  offset: number,
  header: EthernetHeader,
): void {
  bytes.set(header.destination, offset);
  bytes.set(header.source, offset + SOURCE_MAC_OFFSET);
  bytes[offset + ETHER_TYPE_OFFSET] = header.etherType >>> 8;
  bytes[offset + ETHER_TYPE_OFFSET + 1] = header.etherType & 0xff;
}
