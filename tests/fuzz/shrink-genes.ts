import type { Genes } from './fuzz-target.ts';

/**
 * Leaves out what is not needed: halves first, then ever shorter stretches down to single genes.
 *
 * @param isBroken     whether a case still breaks what the whole one broke; it does at the start
 * @param isTimeSpent  ends the search with what has been found
 */
export function shrinkGenes(
  genes: Genes,
  isBroken: (genes: Genes) => boolean,
  isTimeSpent: () => boolean,
): Genes {
  let best = genes;
  for (
    let size = Math.ceil(best.length / 2);
    size >= 1;
    size = size > 1 ? Math.ceil(size / 2) : 0
  ) {
    for (let start = 0; start < best.length && !isTimeSpent();) {
      const fewer = [...best.slice(0, start), ...best.slice(start + size)];
      if (isBroken(fewer)) best = fewer;
      else start += size;
    }
  }
  return best;
}
