/** Numbers for people: about three digits, and their unit. */

/** 1234567: "1.23M"; powers of 1000. */
export function formatCount(value: number): string {
  return scaled(value, ['', 'k', 'M', 'G', 'T', 'P']);
}

/** Bytes a second, in powers of 1000: "1.23MB/s". */
export function formatRate(bytesPerSecond: number): string {
  return `${scaled(bytesPerSecond, ['', 'k', 'M', 'G', 'T', 'P'])}B/s`;
}

/** Microseconds, in the unit that fits: "123us", "1.23ms", "2.50s". */
export function formatMicros(micros: number): string {
  return `${scaled(micros, ['u', 'm', ''])}s`;
}

function scaled(value: number, units: readonly string[]): string {
  let rest = value;
  let unit = 0;
  while (rest >= 1000 && unit < units.length - 1) {
    rest /= 1000;
    unit++;
  }
  const isWhole = unit === 0 || rest >= 100;
  const digits = isWhole ? 0 : rest >= 10 ? 1 : 2;
  return `${rest.toFixed(digits)}${units[unit]}`;
}

/**
 * A row of blocks, the highest for the largest value; nothing happened where it is blank.
 *
 * @param values  the last of them are shown
 */
export function sparkline(values: readonly number[], columns: number): string {
  const shown = values.slice(Math.max(0, values.length - columns));
  const most = Math.max(0, ...shown);
  const blocks = shown.map((value) => {
    if (value <= 0 || most === 0) return ' ';
    return BLOCKS[Math.min(BLOCKS.length - 1, Math.floor((value / most) * BLOCKS.length))];
  });
  return blocks.join('').padStart(columns);
}

const BLOCKS = '▁▂▃▄▅▆▇█';
