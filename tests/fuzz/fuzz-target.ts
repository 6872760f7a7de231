/** One number, 32 bits, stands for one thing that happens, the same number always for the same. */
export type Genes = readonly number[];

/** Something that takes input from strangers, and the laws that must hold whatever they send. */
export interface FuzzTarget {
  readonly name: string;
  /** What is fed with what, in one line. */
  readonly about: string;
  /** Genes of one case at most; a case has at least half as many. */
  readonly maxGenes: number;
  /** Cases of one round: what is slow to play, or soon known, gets fewer. */
  readonly casesAtATime: number;
  /**
   * Plays one case. Deterministic.
   *
   * @returns how many frames were fed into decoder, links or responders
   * @throws when a law is broken
   */
  run(genes: Genes): number;
  /** What the genes stand for, one line each. */
  describe(genes: Genes): readonly string[];
}

/** A law that was broken. */
export class BrokenLawError extends Error {
  override readonly name = 'BrokenLawError';
}

/** @throws BrokenLawError unless it holds; the text is made only then */
export function law(holds: boolean, text: () => string): asserts holds {
  if (!holds) throw new BrokenLawError(text());
}
