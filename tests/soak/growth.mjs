/** Whether something grows: a robust line through samples, and what it comes to over their time. */

/** @typedef {{ atMs: number, value: number }} Sample */
/**
 * @typedef {object} Growth
 * @property {'flat' | 'grows' | 'too short'} verdict
 * @property {number} samples that were looked at, those of the warm-up not counted
 * @property {number} seconds that they span
 * @property {number} slopePerHour
 * @property {number} growth along the line from the first sample to the last
 * @property {number} limit that the growth must not exceed, whatever the time
 */

/** Before so many samples over so long, nothing is said. */
const fewestSamples = 12;
const shortestSeconds = 12;
/** Pairs of a sample of everything would be too many after a day. */
const mostSamples = 400;

/**
 * What is flat stays within `limit` however long it runs, so the limit does not depend on the time:
 * the longer the run, the smaller the leak that it finds.
 *
 * @param {readonly Sample[]} samples of one process, in order
 * @param {{ limit: number, warmUpMs: number }} options `warmUpMs`: from the first sample on
 * @returns {Growth}
 */
export function judgeGrowth(samples, { limit, warmUpMs }) {
  const start = (samples[0]?.atMs ?? 0) + warmUpMs;
  const judged = thinned(samples.filter(({ atMs }) => atMs >= start));
  const spanMs = (judged.at(-1)?.atMs ?? 0) - (judged[0]?.atMs ?? 0);
  const slope = medianSlope(judged);
  const growth = slope * spanMs;
  const isShort = judged.length < fewestSamples || spanMs < shortestSeconds * 1000;
  return {
    verdict: isShort ? 'too short' : growth > limit ? 'grows' : 'flat',
    samples: judged.length,
    seconds: spanMs / 1000,
    slopePerHour: slope * 3_600_000,
    growth,
    limit,
  };
}

/**
 * The median of the slopes between all pairs (Theil and Sen): a third of the samples may be odd.
 *
 * @param {readonly Sample[]} samples
 * @returns {number} per millisecond
 */
function medianSlope(samples) {
  /** @type {number[]} */
  const slopes = [];
  samples.forEach((later, i) => {
    for (const earlier of samples.slice(0, i)) {
      const elapsedMs = later.atMs - earlier.atMs;
      if (elapsedMs > 0) slopes.push((later.value - earlier.value) / elapsedMs);
    }
  });
  slopes.sort((a, b) => a - b);
  return slopes[slopes.length >> 1] ?? 0;
}

/** @param {readonly Sample[]} samples */
function thinned(samples) {
  const step = Math.ceil(samples.length / mostSamples);
  return step <= 1 ? samples : samples.filter((_, index) => index % step === 0);
}
