/** The bounds of an integer, both included; safe integers. */
export interface IntegerBounds {
  readonly min: number;
  readonly max: number;
}

/**
 * Reads a decimal integer within bounds: digits, with a `-` in front where `min` is below 0.
 *
 * @returns undefined for anything else and for a number out of bounds
 */
export function parseInteger(text: string, bounds: IntegerBounds): number | undefined {
  if (!INTEGER.test(text)) return undefined;
  const value = Number(text);
  const isWithin = Number.isSafeInteger(value) && value >= bounds.min && value <= bounds.max;
  // `-0` is accepted where 0 is, as 0.
  return isWithin ? value + 0 : undefined;
}

const INTEGER = /^-?\d+$/;
