import { describe, expect, it } from 'vitest';

import { Prng } from './prng.ts';

const take = (prng: Prng, count: number): number[] =>
  Array.from({ length: count }, () => prng.nextUint32());

describe('Prng', () => {
  it('gives these numbers for these seeds, on every machine and for good', () => {
    expect(take(new Prng(0), 4)).toMatchInlineSnapshot(`
      [
        3932871217,
        2797810217,
        1413730689,
        493846461,
      ]
    `);
    expect(take(new Prng(2 ** 40 + 7), 2)).toMatchInlineSnapshot(`
      [
        3112691501,
        2700384229,
      ]
    `);
    expect(take(new Prng(1).fork('loss'), 2)).toMatchInlineSnapshot(`
      [
        1233438948,
        1455956878,
      ]
    `);
  });

  it('gives different numbers for seeds that differ in any bit', () => {
    const seeds = [0, ...Array.from({ length: 53 }, (_, bit) => 2 ** bit)];
    expect(new Set(seeds.map((seed) => take(new Prng(seed), 3).join())).size).toBe(54);
  });

  it('spreads numbers evenly over a range', () => {
    const prng = new Prng(42);
    const hits = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) {
      const n = prng.below(7);
      hits[n] = (hits[n] as number) + 1;
    }
    for (const count of hits) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });

  it('reaches both ends of a range and stays inside', () => {
    const prng = new Prng(3);
    const seen = new Set(Array.from({ length: 200 }, () => prng.between(-1, 2)));
    expect([...seen].sort((a, b) => a - b)).toEqual([-1, 0, 1, 2]);
    expect(prng.below(1)).toBe(0);
    expect(prng.below(2 ** 32)).toBeLessThan(2 ** 32);
  });

  it('is right about chance, and draws nothing when the answer is certain', () => {
    const prng = new Prng(4);
    let hits = 0;
    for (let i = 0; i < 100_000; i++) if (prng.chance(0.02)) hits += 1;
    expect(Math.abs(hits - 2_000)).toBeLessThan(200);
    const [a, b] = [new Prng(5), new Prng(5)];
    expect([a.chance(0), a.chance(1)]).toEqual([false, true]);
    expect(a.nextUint32()).toBe(b.nextUint32());
  });

  it('forks by seed and label alone, whatever was drawn before', () => {
    const [fresh, used] = [new Prng(6), new Prng(6)];
    take(used, 100);
    expect(take(used.fork('x'), 5)).toEqual(take(fresh.fork('x'), 5));
    expect(take(fresh.fork('x'), 5)).not.toEqual(take(fresh.fork('y'), 5));
    expect(take(fresh.fork('x'), 5)).not.toEqual(take(new Prng(7).fork('x'), 5));
    expect(take(fresh.fork('x'), 5)).not.toEqual(take(fresh, 5));
  });

  it('fills bytes and picks items of all kinds', () => {
    const prng = new Prng(8);
    const bytes = new Uint8Array(20_000);
    prng.fillBytes(bytes);
    expect(new Set(bytes).size).toBe(256);
    expect(new Set(Array.from({ length: 100 }, () => prng.pick(['a', 'b', 'c']))).size).toBe(3);
  });

  it('refuses a seed that is no whole number', () => {
    expect(() => new Prng(-1)).toThrow();
    expect(() => new Prng(0.5)).toThrow();
  });
});
