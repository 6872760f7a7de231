/** Numbers with units, for people. */

/** A time span, with three digits and the unit that suits it: `12.3 us`. */
export function formatNanos(nanos: number): string {
  if (nanos < 1000) return `${nanos} ns`;
  if (nanos < 1e6) return `${threeDigits(nanos / 1e3)} us`;
  if (nanos < 1e9) return `${threeDigits(nanos / 1e6)} ms`;
  return `${threeDigits(nanos / 1e9)} s`;
}

/** An amount of data: `1 KiB`, `1.50 MiB`, `12 B`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const text = Number.isInteger(value) ? `${value}` : threeDigits(value);
  return `${text} ${UNITS[unit]}`;
}

/** A part of a whole: `0.97 %`. */
export function formatShare(part: number, whole: number): string {
  return `${whole === 0 ? '0.00' : ((100 * part) / whole).toFixed(2)} %`;
}

function threeDigits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
