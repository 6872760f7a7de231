import { assert } from '../assert.ts';

/**
 * A seeded generator of pseudo-random numbers (sfc32), the only source of chance in a simulation.
 * The same seed and the same calls give the same numbers on every machine.
 */
export class Prng {
  readonly #seed: number;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param seed  any safe integer not below 0 */
  constructor(seed: number) {
    assert(Number.isSafeInteger(seed) && seed >= 0, 'a seed is a safe integer, not negative');
    this.#seed = seed;
    const low = seed >>> 0;
    const high = Math.floor(seed / 2 ** 32);
    this.#a = mix32(low);
    this.#b = mix32(high ^ 0x9e3779b9);
    this.#c = mix32(this.#a ^ this.#b);
    // The first numbers still show the seed.
    for (let i = 0; i < 12; i++) this.nextUint32();
  }

  /** 0 .. 2^32 - 1. */
  nextUint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** 0 included .. 1 excluded, in steps of 2^-32. */
  nextFloat(): number {
    return this.nextUint32() / 2 ** 32;
  }

  /** 0 .. n - 1, for 1 <= n <= 2^32. */
  below(n: number): number {
    assert(n >= 1 && n <= 2 ** 32, 'the bound of a random number is 1 .. 2^32');
    return Math.floor(this.nextFloat() * n);
  }

  /** `min` .. `max`, both included. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  /** True with this probability. Takes nothing from the sequence when the answer is certain. */
  chance(probability: number): boolean {
    if (probability <= 0) return false;
    return probability >= 1 || this.nextFloat() < probability;
  }

  /** One of `items`, which are not empty. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  fillBytes(target: Uint8Array): void {
    for (let i = 0; i < target.length; i++) target[i] = this.nextUint32() >>> 24;
  }

  /**
   * A generator of its own for one purpose. It depends on the seed and the label only, so that what
   * one part of a simulation draws changes nothing for the others: without that, leaving out one
   * fault would change all others, and no failing case could be made smaller.
   */
  fork(label: string): Prng {
    let hash = 0x811c9dc5;
    for (let i = 0; i < label.length; i++) {
      hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193);
    }
    const low = mix32(hash ^ this.#seed);
    const high = mix32(low ^ Math.floor(this.#seed / 2 ** 32)) >>> 11;
    return new Prng(high * 2 ** 32 + (low >>> 0));
  }
}

/** Spreads every bit of a 32-bit number over all of them. */
function mix32(value: number): number {
  let x = (value + 0x9e3779b9) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return x ^ (x >>> 15);
}
