import fc from 'fast-check';
import { expect, it } from 'vitest';

import { WORD_LOG2, nextAccessLog2, partialWordBytes } from './split.ts';

/** A part of a range: bytes `start` .. `start + length - 1`, carried by 2^sizeLog2 bytes. */
interface Part {
  readonly start: number;
  readonly length: number;
  readonly sizeLog2: number;
}

/** The whole range, part by part, as an initiator cuts it. `start` may lie beyond 4 GiB. */
function split(start: number, length: number, maxLog2: number): Part[] {
  const parts: Part[] = [];
  for (let done = 0; done < length; done += parts.at(-1)!.length) {
    const low = (start + done) % 2 ** 32;
    const partial = partialWordBytes(low, length - done);
    const sizeLog2 = partial > 0 ? WORD_LOG2 : nextAccessLog2(low, length - done, maxLog2);
    parts.push({ start: start + done, length: partial > 0 ? partial : 2 ** sizeLog2, sizeLog2 });
  }
  return parts;
}

/** What is wrong with the parts as a cut of the range, whatever they are. */
function faultOf(
  parts: readonly Part[],
  start: number,
  length: number,
  maxLog2: number,
): string | undefined {
  let next = start;
  for (const [i, part] of parts.entries()) {
    if (part.start !== next) return `part ${i} leaves a gap, overlaps or is out of order`;
    next = part.start + part.length;
    const size = 2 ** part.sizeLog2;
    const address = part.start - (part.start % size);
    if (part.sizeLog2 > maxLog2 || part.sizeLog2 < WORD_LOG2) return `part ${i} has no legal size`;
    if (next > address + size) return `part ${i} leaves its aligned access`;
    if (part.length === size) continue;
    if (size !== 8) return `part ${i} is a part of more than a word`;
    if (i !== 0 && i !== parts.length - 1) return `part ${i} is a part of a word in the middle`;
  }
  return next === start + length ? undefined : 'the parts are not the whole range';
}

/** Fewest aligned powers of two for words `from` .. `to - 1`, by trying everything. */
function fewest(from: number, to: number, maxLog2: number, known: Map<string, number>): number {
  if (from === to) return 0;
  const key = `${from} ${to} ${maxLog2}`;
  const seen = known.get(key);
  if (seen !== undefined) return seen;
  let best = Infinity;
  for (let words = 1; words <= 2 ** (maxLog2 - WORD_LOG2); words *= 2) {
    if (from % words !== 0 || from + words > to) break;
    best = Math.min(best, 1 + fewest(from + words, to, maxLog2, known));
  }
  known.set(key, best);
  return best;
}

/** Every range with these starts, lengths and limits. */
function* ranges(starts: number, lengths: number, limits: number[]): Generator<Range> {
  for (const maxLog2 of limits) {
    for (let start = 0; start < starts; start++) {
      for (let length = 1; length <= lengths; length++) yield { start, length, maxLog2 };
    }
  }
}

interface Range {
  readonly start: number;
  readonly length: number;
  readonly maxLog2: number;
}

it('cuts every small range into the fewest legal parts', () => {
  const known = new Map<string, number>();
  const wrong: Range[] = [];
  for (const range of ranges(72, 150, [3, 4, 5, 6])) {
    const { start, length, maxLog2 } = range;
    const from = Math.ceil(start / 8);
    const to = Math.floor((start + length) / 8);
    // A word of which the range has a part cannot share an access with anything.
    const isInOneWord = from > to;
    const ends = Number(start % 8 !== 0) + Number((start + length) % 8 !== 0);
    const least = isInOneWord ? 1 : ends + fewest(from, to, maxLog2, known);
    if (split(start, length, maxLog2).length !== least) wrong.push(range);
  }
  expect(wrong).toEqual([]);
});

it('cuts every range of every limit at every alignment legally', () => {
  const wrong: object[] = [];
  for (const range of ranges(16, 64, [3, 4, 5, 6, 7, 8, 9, 10, 11, 12])) {
    const { start, length, maxLog2 } = range;
    const fault = faultOf(split(start, length, maxLog2), start, length, maxLog2);
    if (fault !== undefined) wrong.push({ ...range, fault });
  }
  expect(wrong).toEqual([]);
});

it('cuts any range legally, also across 4 GiB and beyond', () => {
  const starts = fc.oneof(
    fc.nat(2 ** 31 - 1),
    fc.nat(10_000).map((back) => 2 ** 32 - back),
    fc.nat(10_000).map((more) => 2 ** 41 + more),
  );
  const lengths = fc.oneof(fc.integer({ min: 1, max: 9000 }), fc.constantFrom(4096, 65_536));
  const limits = fc.integer({ min: 3, max: 15 });
  fc.assert(
    fc.property(starts, lengths, limits, (start, length, maxLog2) => {
      const parts = split(start, length, maxLog2);
      expect(faultOf(parts, start, length, maxLog2)).toBeUndefined();
      // Sizes rise to the largest and fall again: the shape of a minimal cut.
      const sizes = parts.map(({ sizeLog2 }) => sizeLog2);
      const top = sizes.indexOf(Math.max(...sizes));
      const rising = sizes.slice(0, top + 1);
      const falling = sizes.slice(sizes.lastIndexOf(Math.max(...sizes)));
      expect(rising).toEqual(rising.toSorted((a, b) => a - b));
      expect(falling).toEqual(falling.toSorted((a, b) => b - a));
    }),
    { numRuns: 300 },
  );
});
