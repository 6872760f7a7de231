/** Buckets per doubling: a percentile is within 0.6 percent of the true one. */
const BUCKETS_PER_OCTAVE = 64;
/** From 1/16 microsecond up to more than an hour. */
const LOWEST_OCTAVE = -4;
const OCTAVES = 36;

/** Counts durations in buckets of equal relative width; its memory does not grow. */
export class LatencyHistogram {
  #counts = new Uint32Array(BUCKETS_PER_OCTAVE * OCTAVES);
  #total = 0;

  get count() {
    return this.#total;
  }

  /** @param {number} micros */
  add(micros) {
    const exact = (Math.log2(micros) - LOWEST_OCTAVE) * BUCKETS_PER_OCTAVE;
    const bucket = Math.min(Math.max(Math.floor(exact), 0), this.#counts.length - 1);
    this.#counts[bucket] = /** @type {number} */ (this.#counts[bucket]) + 1;
    this.#total += 1;
  }

  /**
   * @param {number} share 0 .. 1: 0.99 asks for the duration that 99 percent do not exceed
   * @returns {number} microseconds, the middle of the bucket; NaN without a single duration
   */
  percentile(share) {
    if (this.#total === 0) return NaN;
    const rank = Math.max(1, Math.ceil(share * this.#total));
    let seen = 0;
    let bucket = -1;
    while (seen < rank) seen += /** @type {number} */ (this.#counts[++bucket]);
    return 2 ** ((bucket + 0.5) / BUCKETS_PER_OCTAVE + LOWEST_OCTAVE);
  }
}
