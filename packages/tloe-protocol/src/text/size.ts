/**
 * Reads a size: decimal digits, then optionally K, M, G or T (powers of 1024) with an optional `iB`
 * or `B`; letters in either case: `8G`, `1024MiB`, `2048k`, `512`, `512B`.
 *
 * @returns bytes, a safe integer not below 0; undefined for anything else
 */
export function parseSize(text: string): number | undefined {
  const match = SIZE.exec(text);
  if (match === null) return undefined;
  const unit = match[2] === undefined ? 1 : 1024 ** (UNITS.indexOf(match[2].toUpperCase()) + 1);
  const bytes = Number(match[1]) * unit;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/**
 * Writes a size exactly, in the largest unit that divides it: `8GiB`, `1536MiB`, `1000B`.
 *
 * @param bytes  a safe integer not below 0
 */
export function formatSize(bytes: number): string {
  let value = bytes;
  let power = 0;
  while (power < UNITS.length && value !== 0 && value % 1024 === 0) {
    value /= 1024;
    power += 1;
  }
  return power === 0 ? `${value}B` : `${value}${UNITS[power - 1]}iB`;
}

const UNITS = 'KMGT';
const SIZE = /^(\d+)(?:([KMGT])(?:i?B)?|B)?$/i;
