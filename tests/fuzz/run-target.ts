import fc from 'fast-check';
import type { FuzzTarget, Genes } from './fuzz-target.ts';
import { shrinkGenes } from './shrink-genes.ts';

/** A case that broke a law, made as short as could be. */
export interface FuzzFailure {
  readonly target: FuzzTarget;
  readonly genes: Genes;
  readonly error: unknown;
}

/** What was played. */
export interface FuzzCount {
  cases: number;
  /** Frames fed into decoder, links and responders. */
  frames: number;
}

/** Plays a round of cases. */
export function runTarget(
  target: FuzzTarget,
  seed: number,
  count: FuzzCount,
): FuzzFailure | undefined {
  const property = fc.property(genesOf(target), (genes) => {
    count.frames += target.run(genes);
    count.cases++;
  });
  // Shrinking is ours: what fast-check does with long lists takes too long for a case of seconds.
  const details = fc.check(property, { seed, numRuns: target.casesAtATime, endOnFailure: true });
  const genes = details.counterexample?.[0];
  return genes === undefined ? undefined : shortest(target, genes);
}

/** Plays one case that is known. */
export function replay(target: FuzzTarget, genes: Genes): FuzzFailure | undefined {
  const error = errorOf(target, genes);
  return error === undefined ? undefined : { target, genes, error };
}

/** The failure as a person wants to read it: what broke, by what, and how to see it again. */
export function describeFailure({ target, genes, error }: FuzzFailure): string {
  const steps = target.describe(genes).map((step, i) => `  ${i + 1}. ${step.slice(0, 200)}`);
  const shown = steps.slice(0, MOST_STEPS);
  if (steps.length > MOST_STEPS) shown.push(`  ... and ${steps.length - MOST_STEPS} more`);
  return [
    `fuzz ${target.name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    `The shortest input found that does it, ${genes.length} steps:`,
    ...shown,
    `Again: pnpm fuzz ${target.name} --genes=${genes.join(',')}`,
  ].join('\n');
}

function genesOf({ maxGenes }: FuzzTarget): fc.Arbitrary<Genes> {
  const gene = fc.noShrink(fc.integer({ min: 0, max: 0x7fffffff }));
  const length = { minLength: Math.ceil(maxGenes / 2), maxLength: maxGenes };
  return fc.array(gene, { ...length, size: 'max' });
}

function shortest(target: FuzzTarget, genes: Genes): FuzzFailure {
  const endMs = performance.now() + SHRINK_MS;
  const isBroken = (fewer: Genes): boolean => errorOf(target, fewer) !== undefined;
  const short = shrinkGenes(genes, isBroken, () => performance.now() > endMs);
  return { target, genes: short, error: errorOf(target, short) };
}

function errorOf(target: FuzzTarget, genes: Genes): unknown {
  try {
    target.run(genes);
    return undefined;
  } catch (error) {
    return error;
  }
}

const MOST_STEPS = 40;
/** Nobody waits longer than so for a shorter case. */
const SHRINK_MS = 30_000;
