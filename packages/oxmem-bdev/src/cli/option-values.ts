import { SECOND, isPowerOfTwo, type Micros } from '@oxmem/tloe-protocol';
import { isMulticastMac, parseDuration, parseMac } from '@oxmem/tloe-protocol/text';

/** Texts of the command line into values, or undefined for a bad one. */

/** The MAC address of one station, 6 bytes. */
export function parseStationMac(text: string): Uint8Array | undefined {
  const mac = parseMac(text);
  return mac === undefined || isMulticastMac(mac) ? undefined : mac;
}

/** 1 ms to 10 minutes. */
export function parseTimeout(text: string): Micros | undefined {
  return atLeast(1_000, atMost(600 * SECOND, parseDuration(text)));
}

/** A path that the system could take. */
export function parsePath(text: string): string | undefined {
  return text === '' || text.includes('\0') ? undefined : text;
}

/** Only a multiple of a second. */
export function wholeSeconds(value: Micros | undefined): Micros | undefined {
  return value === undefined || value % SECOND !== 0 ? undefined : value;
}

/** Only a value that is not below `least`. */
export function atLeast(least: number, value: number | undefined): number | undefined {
  return value === undefined || value < least ? undefined : value;
}

/** Only a value that is not above `most`. */
export function atMost(most: number, value: number | undefined): number | undefined {
  return value === undefined || value > most ? undefined : value;
}

/** Only a power of two within the bounds. */
export function powerOfTwo(
  least: number,
  most: number,
  value: number | undefined,
): number | undefined {
  const bounded = atLeast(least, atMost(most, value));
  return bounded !== undefined && isPowerOfTwo(bounded) ? bounded : undefined;
}

/** Only one of the names. */
export function oneOf<Name extends string>(names: readonly Name[], text: string): Name | undefined {
  return names.find((name) => name === text);
}
