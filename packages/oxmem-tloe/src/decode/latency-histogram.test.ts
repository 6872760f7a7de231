import { expect, it } from 'vitest';
import { LatencyHistogram } from './latency-histogram.ts';

it('knows percentiles to three percent, and the maximum exactly', () => {
  const histogram = new LatencyHistogram();
  for (let i = 1; i <= 100_000; i++) histogram.add(i * 37);
  for (const percent of [1, 10, 50, 90, 99, 99.9]) {
    const exact = percent * 1000 * 37;
    const found = histogram.percentile(percent);
    expect(found).toBeGreaterThanOrEqual(exact);
    expect(found).toBeLessThanOrEqual(exact * 1.032);
  }
  expect(histogram.percentile(100)).toBe(3_700_000);
  expect(histogram.maximum).toBe(3_700_000);
});

it('knows small numbers exactly, and takes ones of any size', () => {
  const histogram = new LatencyHistogram();
  expect(histogram.percentile(50)).toBe(0);
  for (const nanos of [0, 1, 31, 32, 33, 63, 64]) histogram.add(nanos);
  expect([1, 50, 100].map((percent) => histogram.percentile(percent))).toEqual([0, 32, 64]);
  histogram.add(2 ** 60);
  expect(histogram.percentile(100)).toBeGreaterThan(2 ** 46);
});
