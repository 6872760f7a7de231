import fc from 'fast-check';
import { expect, it } from 'vitest';

import { RangeLocks, type RangeLock } from './range-lock.ts';

/** One range as the model knows it. */
interface Asked {
  readonly name: number;
  readonly start: number;
  readonly length: number;
  readonly isWrite: boolean;
  readonly lock: RangeLock<number>;
  isGranted: boolean;
  holds: number;
}

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('acquire' as const),
      // Within words, within pages, across pages, and where far pages share a counter.
      scale: fc.constantFrom(1, 512, 4096, 2 ** 21),
      start: fc.nat(60),
      length: fc.integer({ min: 1, max: 40 }),
      isWrite: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('release' as const), which: fc.nat(50) }) },
  fc.record({ kind: fc.constant('hold' as const), which: fc.nat(50) }),
  fc.record({ kind: fc.constant('giveUp' as const), which: fc.nat(50) }),
);

/** Whether they touch a word of 8 bytes in common and one of them writes. */
function conflict(a: Asked, b: Asked): boolean {
  const firstWord = ({ start }: Asked): number => Math.floor(start / 8);
  const lastWord = ({ start, length }: Asked): number => Math.floor((start + length - 1) / 8);
  const isCommon = firstWord(a) <= lastWord(b) && firstWord(b) <= lastWord(a);
  return (a.isWrite || b.isWrite) && isCommon;
}

it('never grants two conflicting ranges, keeps their order, and grants all in the end', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
      /** Ranges that exist, in order of arrival. */
      let live: Asked[] = [];
      let asked = 0;
      let told = 0;
      const locks = new RangeLocks<number>((name) => {
        const found = live.find((each) => each.name === name);
        expect(found?.isGranted, 'granted once, and only while it exists').toBe(false);
        found!.isGranted = true;
        told++;
      });
      const release = (one: Asked): void => {
        one.holds--;
        if (one.holds === 0) live = live.filter((each) => each !== one);
        locks.release(one.lock);
      };
      const check = (): void => {
        for (const [i, one] of live.entries()) {
          const isBlocked = live.slice(0, i).some((earlier) => conflict(one, earlier));
          expect(one.isGranted, 'granted if and only if nothing earlier is in the way').toBe(
            !isBlocked,
          );
        }
        expect(locks.count).toBe(live.length);
      };

      for (const each of steps) {
        if (each.kind === 'acquire') {
          const { scale, isWrite } = each;
          // Not all of a page, so that neighbours within one do not overlap.
          const [start, length] = [each.start * scale, each.length * scale - (scale >> 1)];
          const lock = locks.acquire(start, length, isWrite, asked);
          const isGranted = lock.blockers === 0;
          live.push({ isWrite, start, length, name: asked++, lock, isGranted, holds: 1 });
          if (isGranted) told++;
        } else {
          const granted = live.filter((one) => one.isGranted);
          const waiting = live.filter((one) => !one.isGranted);
          const from = each.kind === 'giveUp' ? waiting : granted;
          const one = from[each.which % Math.max(1, from.length)];
          if (one === undefined) continue;
          if (each.kind === 'hold') {
            locks.hold(one.lock);
            one.holds++;
          } else {
            told += each.kind === 'giveUp' ? 1 : 0;
            release(one);
          }
        }
        check();
      }
      while (live.length > 0) {
        const first = live.find((one) => one.isGranted);
        expect(first, 'somebody can always go on').toBeDefined();
        release(first!);
        check();
      }
      expect(told, 'each was granted or gave up').toBe(asked);
    }),
    { numRuns: 300 },
  );
});
