/**
 * A minute of hostile input. As long as one likes: `pnpm fuzz --minutes=M`. The cases are others each
 * time; one that fails is printed, made short, with the command that plays it again.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { linkTarget } from './link-target.ts';
import { describeFailure, replay, runTarget, type FuzzCount } from './run-target.ts';
import { shrinkGenes } from './shrink-genes.ts';
import { law, type FuzzTarget, type Genes } from './fuzz-target.ts';
import { FUZZ_TARGETS } from './targets.ts';

const ROUNDS = 11;
const LEAST_FRAMES = 1_000_000;
const PATIENCE_MS = 300_000;
const FIRST_SEED = Date.now() % 2 ** 31;

const count: FuzzCount = { cases: 0, frames: 0 };
const startedMs = performance.now();

function play(target: FuzzTarget, rounds: number): void {
  for (let round = 0; round < rounds; round++) {
    const failure = runTarget(target, FIRST_SEED + count.cases, count);
    if (failure !== undefined) throw new Error(describeFailure(failure));
  }
}

describe('no law is broken by hostile input to', () => {
  it.each(FUZZ_TARGETS.map((target) => [target.about, target] as const))(
    '%s',
    (_about, target) => {
      play(target, ROUNDS);
    },
    PATIENCE_MS,
  );

  it(
    'anything: a million frames, and memory is where it was',
    () => {
      play(linkTarget, 2);
      const before = bytesInUse();
      play(linkTarget, 8);
      expect(bytesInUse() - before).toBeLessThan(4 * 2 ** 20);
      while (count.frames < LEAST_FRAMES) play(linkTarget, 1);
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
      process.stderr.write(
        `fuzz: ${count.frames} frames in ${count.cases} cases, ${seconds} s, seed ${FIRST_SEED}\n`,
      );
      expect(count.frames).toBeGreaterThanOrEqual(LEAST_FRAMES);
    },
    PATIENCE_MS,
  );
});

describe('a case that breaks a law', () => {
  /** Two genes of many are to blame, and only together. */
  const target: FuzzTarget = {
    name: 'example',
    about: 'nothing',
    maxGenes: 200,
    casesAtATime: 50,
    run: (genes: Genes) => {
      const has = (digit: number): boolean => genes.some((gene) => gene % 10 === digit);
      law(!has(3) || !has(7), () => 'three and seven met');
      return genes.length;
    },
    describe: (genes) => genes.map(String),
  };

  it('is found, made as short as can be, and printed with what plays it again', () => {
    const failure = runTarget(target, 1, { cases: 0, frames: 0 });
    expect(failure?.genes.map((gene) => gene % 10).toSorted((a, b) => a - b)).toEqual([3, 7]);
    const text = failure === undefined ? '' : describeFailure(failure);
    expect(text).toContain('three and seven met');
    const [, genes = ''] = /Again: pnpm fuzz example --genes=(\S+)$/.exec(text) ?? [];
    expect(replay(target, genes.split(',').map(Number))).toMatchObject({ target });
    expect(replay(target, [3])).toBeUndefined();
  });

  it('is made no shorter once the time is spent', () => {
    expect(
      shrinkGenes(
        [1, 2, 3],
        () => true,
        () => true,
      ),
    ).toEqual([1, 2, 3]);
  });
});

/** After all that can be thrown away was thrown away. */
function bytesInUse(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
