import type { Micros } from './units.ts';

/** Buckets for each doubling: what is read from the histogram is at most 1/16 too high. */
const STEPS = 16;
const STEP_BITS = 4;
/** Longer times count as this one, a little more than half an hour. */
const LONGEST: Micros = 2 ** 31 - 1;
const BUCKETS = STEPS * (31 - STEP_BITS + 1);

/**
 * How long things took, in buckets whose width grows with the time: constant memory, and nothing
 * allocated when one is counted. Whole microseconds.
 */
export class LatencyHistogram {
  count = 0;
  /** Of all times that were counted. */
  sumMicros: Micros = 0;
  readonly #buckets = new Float64Array(BUCKETS);

  /** Counts one time, from 0 on. */
  record(micros: Micros): void {
    this.count++;
    this.sumMicros += micros;
    const index = bucketOf(micros < LONGEST ? micros | 0 : LONGEST);
    (this.#buckets[index] as number)++;
  }

  /** Counts all that another one has counted. */
  add(other: LatencyHistogram): void {
    this.#merge(other, 1);
  }

  /** What was counted since `earlier` was a copy of this one; a new histogram. */
  since(earlier: LatencyHistogram): LatencyHistogram {
    const difference = this.copy();
    difference.#merge(earlier, -1);
    return difference;
  }

  copy(): LatencyHistogram {
    const copy = new LatencyHistogram();
    copy.add(this);
    return copy;
  }

  /**
   * What the share `share` of all times did not exceed, at most 1/16 too high; 0 if there is none.
   *
   * @param share  above 0, up to 1: 0.99 asks for p99
   */
  percentile(share: number): Micros {
    const rank = Math.max(1, Math.ceil(this.count * share));
    let seen = 0;
    for (let index = 0; index < BUCKETS; index++) {
      seen += this.#buckets[index] as number;
      if (seen >= rank) return lastOf(index);
    }
    return 0;
  }

  /**
   * How many were shorter than each of the boundaries.
   *
   * @param boundaries  rising; each a power of two from 16 on, or one and a half of one
   */
  countsBelow(boundaries: readonly Micros[]): number[] {
    let seen = 0;
    let index = 0;
    return boundaries.map((micros) => {
      for (const end = bucketOf(micros); index < end; index++) {
        seen += this.#buckets[index] as number;
      }
      return seen;
    });
  }

  /** The buckets that are not empty: the longest time of each, and how many it has. */
  filled(): [lastMicros: Micros, count: number][] {
    const list: [Micros, number][] = [];
    this.#buckets.forEach((count, index) => {
      if (count > 0) list.push([lastOf(index), count]);
    });
    return list;
  }

  /** A histogram as `filled` tells it, and the sum of its times. */
  static of(filled: readonly (readonly [Micros, number])[], sumMicros: Micros): LatencyHistogram {
    const made = new LatencyHistogram();
    for (const [lastMicros, count] of filled) {
      const index = bucketOf(Math.min(Math.max(Math.floor(lastMicros), 0), LONGEST));
      (made.#buckets[index] as number) += count;
      made.count += count;
    }
    made.sumMicros = sumMicros;
    return made;
  }

  #merge(other: LatencyHistogram, sign: 1 | -1): void {
    this.count += sign * other.count;
    this.sumMicros += sign * other.sumMicros;
    for (let i = 0; i < BUCKETS; i++) {
      (this.#buckets[i] as number) += sign * (other.#buckets[i] as number);
    }
  }
}

function bucketOf(micros: Micros): number {
  if (micros < STEPS) return micros;
  const exponent = 31 - Math.clz32(micros);
  const step = (micros >> (exponent - STEP_BITS)) & (STEPS - 1);
  return STEPS * (exponent - STEP_BITS + 1) + step;
}

/** The longest whole time that a bucket counts. */
function lastOf(index: number): Micros {
  if (index < STEPS) return index;
  const doubling = Math.floor(index / STEPS) - 1;
  return (STEPS + (index % STEPS) + 1) * 2 ** doubling - 1;
}
