/**
 * Reads a probability: a decimal number 0 .. 1, or 0% .. 100% with a percent sign: `1%`, `0.01`,
 * `0.5%`, `1e-6`.
 *
 * @returns 0 .. 1; undefined for anything else
 */
export function parseProbability(text: string): number | undefined {
  const match = PROBABILITY.exec(text);
  if (match === null) return undefined;
  const value = Number(match[1]) / (match[2] === '%' ? 100 : 1);
  return value <= 1 ? value : undefined;
}

/**
 * Writes a probability so that it reads back as the same number: in percent where that is exact.
 *
 * @param probability  0 .. 1
 */
export function formatProbability(probability: number): string {
  const percent = `${Number((probability * 100).toPrecision(12))}%`;
  return parseProbability(percent) === probability ? percent : String(probability);
}

const PROBABILITY = /^(\d+(?:\.\d+)?(?:e[+-]?\d+)?)(%?)$/i;
