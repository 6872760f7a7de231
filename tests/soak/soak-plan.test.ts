import { parseFaultSpecs } from '@oxmem/sim-endpoint';
import { describe, expect, it } from 'vitest';
import { judgeGrowth } from './growth.mjs';
import { parseOptions } from './options.mjs';
import { planPhases } from './phases.mjs';

describe('the plan of a long run', () => {
  it('depends on the seed alone', () => {
    expect(planPhases(7, 3600)).toEqual(planPhases(7, 3600));
    expect(planPhases(7, 3600)).not.toEqual(planPhases(8, 3600));
  });

  it.each([60, 1800, 86_400])('takes about the time it is given: %i s', (seconds) => {
    const phases = planPhases(1, seconds);
    const planned = phases.reduce((sum, phase) => sum + phase.seconds, 0);
    expect(planned / seconds).toBeGreaterThan(0.85);
    expect(planned / seconds).toBeLessThan(1.1);
    expect(Math.max(...phases.map((phase) => phase.seconds))).toBeLessThanOrEqual(35);
  });

  it('has every kind of phase in a minute, deaths last, in faults that the endpoint knows', () => {
    const phases = planPhases(3, 60);
    expect(new Set(phases.map(({ name }) => name)).size).toBe(phases.length);
    const firstDeath = phases.findIndex(({ event }) => event === 'driver restarted');
    expect(phases.slice(firstDeath).every(({ mayFail }) => mayFail)).toBe(true);
    for (const { faults } of phases) expect(parseFaultSpecs(faults)).toMatchObject({ ok: true });
  });
});

describe('growth', () => {
  const options = { limit: 1000, warmUpMs: 10_000 };
  const series = (valueAt: (second: number) => number, seconds = 100) =>
    Array.from({ length: seconds }, (_, i) => ({ atMs: i * 1000, value: valueAt(i) }));

  it('is found in a slow leak below noise', () => {
    const judged = judgeGrowth(
      series((i) => 1e6 + 20 * i + (i % 7) * 300),
      options,
    );
    expect(judged.verdict).toBe('grows');
    expect(judged.growth).toBeGreaterThan(1700);
    expect(judged.slopePerHour).toBeGreaterThan(70_000);
  });

  it('is not noise, not a start, and not a peak now and then', () => {
    const noisy = series((i) => 1e6 + Math.min(i, 9) * 1e5 + (i % 7) * 300 + (i % 9 ? 0 : 5e5));
    expect(judgeGrowth(noisy, options).verdict).toBe('flat');
  });

  it('is not judged by a handful of samples', () => {
    expect(
      judgeGrowth(
        series((i) => 1e9 * i, 20),
        options,
      ).verdict,
    ).toBe('too short');
    expect(judgeGrowth([], options).verdict).toBe('too short');
  });
});

describe('the options of a long run', () => {
  it('add hours and minutes up and take a seed', () => {
    expect(parseOptions(['--hours=1.5', '--minutes', '2', '--seed=9'])).toMatchObject({
      options: { seconds: 5520, seed: 9, driverArgs: [] },
    });
  });

  it.each([
    [[], 'how long? Give --hours=H or --minutes=M'],
    [['--minutes=x'], '--minutes: "x" is not a number such as 8 or 0.5'],
    [['--minutes=0.5'], 'a run takes from one minute to 720 hours'],
    [['--hours=1', '--seed=-1'], '--seed: "-1" is not a whole number of up to 15 digits'],
    [['--hour=1'], "Unknown option '--hour'"],
  ])('%j: %s', (args, problem) => {
    expect(parseOptions(args)).toEqual({ problem: expect.stringContaining(problem) as string });
  });
});
