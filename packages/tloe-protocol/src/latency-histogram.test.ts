import { describe, expect, it } from 'vitest';

import { LatencyHistogram } from './latency-histogram.ts';

function histogramOf(...times: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const micros of times) histogram.record(micros);
  return histogram;
}

describe('a latency histogram', () => {
  it('knows short times exactly and long ones to a sixteenth', () => {
    for (let micros = 0; micros < 32; micros++) {
      expect(histogramOf(micros).percentile(0.5)).toBe(micros);
    }
    for (const micros of [33, 100, 999, 12_345, 2 ** 20 + 1, 2 ** 31 - 1]) {
      const read = histogramOf(micros).percentile(1);
      expect(read).toBeGreaterThanOrEqual(micros);
      expect(read).toBeLessThanOrEqual(micros * (1 + 1 / 16));
    }
  });

  it('gives the percentiles of what it counted', () => {
    const histogram = new LatencyHistogram();
    for (let i = 1; i <= 1000; i++) histogram.record(i <= 990 ? 10 : i <= 998 ? 20 : 31);
    expect([0.5, 0.99, 0.991, 0.998, 0.999].map((share) => histogram.percentile(share))).toEqual([
      10, 10, 20, 20, 31,
    ]);
    expect(histogram).toMatchObject({ count: 1000, sumMicros: 9900 + 8 * 20 + 2 * 31 });
  });

  it('says 0 when nothing was counted', () => {
    expect(new LatencyHistogram().percentile(0.99)).toBe(0);
  });

  it('takes times that are longer than anything for the longest', () => {
    expect(histogramOf(2 ** 40).percentile(1)).toBe(2 ** 31 - 1);
  });

  it('tells what came since a copy was made', () => {
    const histogram = histogramOf(5, 500);
    const earlier = histogram.copy();
    histogram.record(7);
    histogram.record(7);
    const since = histogram.since(earlier);
    expect(since).toMatchObject({ count: 2, sumMicros: 14 });
    expect(since.filled()).toEqual([[7, 2]]);
    expect(histogram.count).toBe(4);
  });

  it('adds up, and comes back from its own list', () => {
    const sum = histogramOf(3, 70_000);
    sum.add(histogramOf(3));
    const filled = sum.filled();
    expect(filled.map(([, count]) => count)).toEqual([2, 1]);
    const back = LatencyHistogram.of(filled, sum.sumMicros);
    expect(back.filled()).toEqual(filled);
    expect(back).toMatchObject({ count: 3, sumMicros: 70_006 });
  });

  it('counts what was shorter than the boundaries of its buckets', () => {
    const histogram = histogramOf(15, 16, 23, 24, 31, 32, 2 ** 30);
    expect(histogram.countsBelow([16, 24, 32, 48, 2 ** 30, 1.5 * 2 ** 30])).toEqual([
      1, 3, 5, 6, 6, 7,
    ]);
  });
});
