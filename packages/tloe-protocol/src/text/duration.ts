import type { Micros } from '../units.ts';

/**
 * Reads a duration: decimal digits and a unit, `us`, `ms`, `s` or `m`: `100us`, `500ms`, `1s`, `2m`.
 * `0` needs no unit.
 *
 * @returns microseconds, a safe integer not below 0; undefined for anything else
 */
export function parseDuration(text: string): Micros | undefined {
  if (text === '0') return 0;
  const match = DURATION.exec(text);
  const unit = UNITS.find(([name]) => name === match?.[2]);
  if (match === null || unit === undefined) return undefined;
  const micros = Number(match[1]) * unit[1];
  return Number.isSafeInteger(micros) ? micros : undefined;
}

/**
 * Reads a number of seconds with up to six decimals, `2` or `0.5`, or a duration with its unit.
 *
 * @returns microseconds, a safe integer not below 0; undefined for anything else
 */
export function parseSeconds(text: string): Micros | undefined {
  return SECONDS.test(text) ? Math.round(Number(text) * 1_000_000) : parseDuration(text);
}

/**
 * Writes a duration exactly, in the largest unit that divides it: `90s`, `2m`, `1500us`, `0`.
 *
 * @param micros  a safe integer not below 0
 */
export function formatDuration(micros: Micros): string {
  if (micros === 0) return '0';
  const [name, length] = UNITS.find((unit) => micros % unit[1] === 0) ?? SMALLEST;
  return `${micros / length}${name}`;
}

type Unit = readonly [name: string, micros: Micros];

const SMALLEST: Unit = ['us', 1];
/** Largest first. */
const UNITS: readonly Unit[] = [['m', 60_000_000], ['s', 1_000_000], ['ms', 1_000], SMALLEST];
const SECONDS = /^\d{1,9}(\.\d{1,6})?$/;
const DURATION = /^(\d+)(us|ms|s|m)$/;
