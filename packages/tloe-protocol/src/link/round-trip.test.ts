import { beforeEach, describe, expect, it } from 'vitest';

import { RoundTrip } from './round-trip.ts';

const LIMITS = { initialMicros: 5_000, minimumMicros: 1_000, maximumMicros: 60_000 };

let roundTrip: RoundTrip;

beforeEach(() => {
  roundTrip = new RoundTrip(LIMITS);
});

describe('the retransmission time-out', () => {
  it('is the initial one until something was measured', () => {
    expect(roundTrip.timeoutMicros()).toBe(5_000);
    expect(roundTrip.smoothedMicros).toBe(0);
  });

  it('is three round trips after the first sample: one and four deviations of a half', () => {
    roundTrip.sample(2_000);
    expect(roundTrip.smoothedMicros).toBe(2_000);
    expect(roundTrip.timeoutMicros()).toBe(6_000);
  });

  it('comes down to the round trip when that is steady, but not below the minimum', () => {
    for (let i = 0; i < 100; i++) roundTrip.sample(2_000);
    expect(roundTrip.timeoutMicros()).toBe(2_001);
    for (let i = 0; i < 200; i++) roundTrip.sample(10);
    expect(roundTrip.timeoutMicros()).toBe(1_000);
  });

  it('weighs a new sample with an eighth, and its deviation with a quarter', () => {
    roundTrip.sample(2_000);
    roundTrip.sample(10_000);
    expect(roundTrip.smoothedMicros).toBe(3_000);
    expect(roundTrip.timeoutMicros()).toBe(3_000 + 4 * 2_750);
  });

  it('rises when samples differ', () => {
    for (let i = 0; i < 50; i++) roundTrip.sample(2_000);
    const steady = roundTrip.timeoutMicros();
    roundTrip.sample(10_000);
    expect(roundTrip.timeoutMicros()).toBeGreaterThan(steady + 8_000);
  });

  it('doubles at each time-out, up to the maximum, until there is progress', () => {
    const seen = [roundTrip.timeoutMicros()];
    for (let i = 0; i < 5; i++) {
      roundTrip.backOff();
      seen.push(roundTrip.timeoutMicros());
    }
    expect(seen).toEqual([5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
    roundTrip.progress(true);
    expect(roundTrip.timeoutMicros()).toBe(5_000);
  });

  it('comes later after time-outs that nothing explains, until progress needs none, or a sample', () => {
    const limits = { ...LIMITS, maximumMicros: 1_000_000 };
    roundTrip = new RoundTrip(limits);
    roundTrip.backOff();
    roundTrip.backOff();
    roundTrip.progress(false);
    expect(roundTrip.backoff).toBe(1);
    expect(roundTrip.timeoutMicros()).toBe(20_000);
    roundTrip.backOff();
    roundTrip.progress(false);
    expect(roundTrip.timeoutMicros()).toBe(40_000);
    roundTrip.progress(false);
    expect(roundTrip.timeoutMicros()).toBe(20_000);
    roundTrip.sample(5_000);
    expect(roundTrip.timeoutMicros()).toBe(15_000);
    for (let i = 0; i < 9; i++) {
      roundTrip.backOff();
      roundTrip.progress(false);
    }
    expect(roundTrip.timeoutMicros()).toBe(16 * 15_000);
  });

  it('stays finite however often it backs off', () => {
    for (let i = 0; i < 2_000; i++) roundTrip.backOff();
    expect(roundTrip.timeoutMicros()).toBe(60_000);
    expect(roundTrip.backoff).toBe(2 ** 16);
  });

  it('is a whole number of microseconds', () => {
    for (const sample of [1_001, 1_003, 999, 1_777]) {
      roundTrip.sample(sample);
      expect(Number.isInteger(roundTrip.timeoutMicros())).toBe(true);
    }
  });
});

describe('the estimate', () => {
  it('takes a first sample of no time as one, so that it counts as measured', () => {
    roundTrip.sample(0);
    expect(roundTrip.smoothedMicros).toBe(1);
    expect(roundTrip.timeoutMicros()).toBe(1_000);
  });

  it('is forgotten by a reset', () => {
    roundTrip.sample(2_000);
    roundTrip.backOff();
    roundTrip.reset();
    expect(roundTrip.timeoutMicros()).toBe(5_000);
    expect(roundTrip.backoff).toBe(1);
  });
});

describe('the time after which one frame asks', () => {
  it('is a round trip and what an acknowledgement may wait for company', () => {
    for (let i = 0; i < 200; i++) roundTrip.sample(4_000);
    expect(roundTrip.probeMicros(false)).toBe(6_000);
    expect(roundTrip.probeMicros(true)).toBe(4_000);
  });

  it('is never below a millisecond', () => {
    for (let i = 0; i < 200; i++) roundTrip.sample(10);
    expect(roundTrip.probeMicros(true)).toBe(1_000);
  });
});
