/**
 * Reads a MAC address: six pairs of hexadecimal digits joined by `:` or by `-`, not mixed.
 *
 * @returns 6 bytes in the order of the wire; undefined for anything else
 */
export function parseMac(text: string): Uint8Array | undefined {
  if (!MAC.test(text)) return undefined;
  return Uint8Array.from(text.split(/[:-]/), (pair) => parseInt(pair, 16));
}

/** Writes the 6 bytes of a MAC address in lower case, joined by `:`. */
export function formatMac(mac: Uint8Array): string {
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** Whether a MAC address names a group of stations (broadcast included) and not one of them. */
export function isMulticastMac(mac: Uint8Array): boolean {
  return ((mac[0] as number) & 1) === 1;
}

const MAC = /^[0-9a-f]{2}([:-])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}$/i;
