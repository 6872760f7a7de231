/** Buckets for each doubling: a value is known to 1/32, about 3 %. */
const STEPS = 32;
const STEP_BITS = 5;
/** Up to 2^47 ns, which is a day and a half. */
const DOUBLINGS = 47;

/** How long things took, in constant memory. Nanoseconds, whole numbers from 0 on. */
export class LatencyHistogram {
  count = 0;
  maximum = 0;
  readonly #buckets = new Float64Array(STEPS * (DOUBLINGS - STEP_BITS + 1));

  /** Counts one. */
  add(nanos: number): void {
    this.count++;
    if (nanos > this.maximum) this.maximum = nanos;
    const index = Math.min(bucketOf(nanos), this.#buckets.length - 1);
    (this.#buckets[index] as number)++;
  }

  /**
   * What so many of a hundred did not exceed, at most 3 % too high; 0 if there is none.
   *
   * @param percent  above 0, up to 100
   */
  percentile(percent: number): number {
    const rank = Math.ceil((this.count * percent) / 100);
    let seen = 0;
    for (let index = 0; index < this.#buckets.length; index++) {
      seen += this.#buckets[index] as number;
      if (seen >= rank && seen > 0) return Math.min(upperBound(index), this.maximum);
    }
    return 0;
  }
}

function bucketOf(nanos: number): number {
  if (nanos < STEPS) return nanos;
  const doubling = Math.floor(Math.log2(nanos)) - STEP_BITS;
  return STEPS * (doubling + 1) + Math.floor(nanos / 2 ** doubling) - STEPS;
}

function upperBound(index: number): number {
  if (index < STEPS) return index;
  const doubling = Math.floor(index / STEPS) - 1;
  return (index - STEPS * (doubling + 1) + STEPS + 1) * 2 ** doubling - 1;
}
