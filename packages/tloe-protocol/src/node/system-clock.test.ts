import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';

import type { Alarm } from '../host/clock.ts';
import { NEVER } from '../units.ts';
import { SystemClock, type NodeTimers, type TimerHandle } from './system-clock.ts';

/** Timers whose time moves by hand, one at a time; counts how often they were made. */
class ManualTimers implements NodeTimers {
  millis = 1_000;
  made = 0;
  unrefs = 0;
  readonly #pending = new Map<TimerHandle, { callback: () => void; at: number }>();

  nowMillis(): number {
    return this.millis;
  }
  setTimeout(callback: () => void, millis: number): TimerHandle {
    expect(Number.isInteger(millis) && millis >= 1 && millis < 2 ** 31).toBe(true);
    return this.#add(callback, this.millis + millis);
  }
  setImmediate(callback: () => void): TimerHandle {
    return this.#add(callback, this.millis);
  }
  clearTimeout(timer: TimerHandle): void {
    expect(this.#pending.delete(timer)).toBe(true);
  }
  clearImmediate(timer: TimerHandle): void {
    this.clearTimeout(timer);
  }
  get pending(): number {
    return this.#pending.size;
  }
  /** Moves time on and fires what is due, `early` milliseconds before it is due. */
  advance(millis: number, early = 0): void {
    this.millis += millis;
    const due = [...this.#pending].filter(([, { at }]) => at - early <= this.millis);
    for (const [timer, { callback }] of due) {
      this.#pending.delete(timer);
      callback();
    }
  }
  #add(callback: () => void, at: number): TimerHandle {
    this.made += 1;
    const timer = { unref: () => (this.unrefs += 1) };
    this.#pending.set(timer, { callback, at });
    return timer;
  }
}

let timers: ManualTimers;
let clock: SystemClock;
let alarm: Alarm;
let calls: number[];

beforeEach(() => {
  timers = new ManualTimers();
  clock = new SystemClock({ timers });
  calls = [];
  alarm = clock.createAlarm(() => calls.push(clock.now()));
});

describe('SystemClock.now', () => {
  it('counts whole microseconds', () => {
    timers.millis = 1.2345678;
    expect(clock.now()).toBe(1234);
  });

  it('does not go back and is a safe integer, on the real timers', () => {
    const real = new SystemClock();
    let last = real.now();
    for (let i = 0; i < 10_000; i++) {
      const now = real.now();
      expect(now >= last && Number.isSafeInteger(now)).toBe(true);
      last = now;
    }
  });

  it('stands on the Unix time that it states', () => {
    const real = new SystemClock();
    const unixMicros = real.originUnixMicros + real.now();
    expect(Math.abs(unixMicros - Date.now() * 1000)).toBeLessThan(60_000_000);
  });

  it('is not moved when somebody sets the clock of the machine, which it can tell', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 5_000 });
    onTestFinished(() => void vi.useRealTimers());
    const real = new SystemClock();
    const before = real.now();
    expect(real.unixMicros()).toBe(5_000_000);
    vi.setSystemTime(2_000_000_000_000);
    expect(real.unixMicros()).toBe(2_000_000_000_000_000);
    expect(real.now() - before).toBeLessThan(60_000_000);
  });
});

describe('an alarm of SystemClock', () => {
  it('fires once, not before its deadline', () => {
    alarm.arm(clock.now() + 2_500);
    timers.advance(2);
    expect(calls).toEqual([]);
    timers.advance(1);
    expect(calls).toEqual([1_003_000]);
    timers.advance(100);
    expect(calls).toHaveLength(1);
  });

  it('waits on when Node fires a timer too early', () => {
    alarm.arm(clock.now() + 10_000);
    timers.advance(5, 5);
    expect(calls).toEqual([]);
    timers.advance(5);
    expect(calls).toEqual([1_010_000]);
  });

  it('fires for a deadline in the past, but not inside arm', () => {
    alarm.arm(clock.now() - 5);
    expect(calls).toEqual([]);
    timers.advance(0);
    expect(calls).toHaveLength(1);
  });

  it('makes no new timer while the deadline moves away', () => {
    for (let i = 0; i < 100; i++) {
      alarm.arm(clock.now() + 50_000);
      timers.advance(0.1);
    }
    expect(timers.made).toBe(1);
    timers.advance(45);
    expect(calls).toEqual([]);
    expect(timers.made).toBe(2);
    timers.advance(10);
    expect(calls).toHaveLength(1);
  });

  it('makes no new timer for an earlier deadline in the same millisecond', () => {
    alarm.arm(clock.now() + 900);
    alarm.arm(clock.now() + 300);
    expect(timers.made).toBe(1);
    timers.advance(1);
    expect(calls).toHaveLength(1);
  });

  it('is brought forward by an earlier deadline', () => {
    alarm.arm(clock.now() + 50_000);
    alarm.arm(clock.now() + 2_000);
    expect(timers.pending).toBe(1);
    timers.advance(2);
    expect(calls).toHaveLength(1);
    timers.advance(100);
    expect(calls).toHaveLength(1);
  });

  it('is brought forward from the future to now', () => {
    alarm.arm(clock.now() + 400);
    alarm.arm(clock.now());
    timers.advance(0);
    expect(calls).toHaveLength(1);
    expect(timers.pending).toBe(0);
  });

  it('is disarmed by Infinity, and can be armed again', () => {
    alarm.arm(clock.now() + 1_000);
    alarm.arm(NEVER);
    timers.advance(10);
    expect(calls).toEqual([]);
    alarm.arm(clock.now() + 1_000);
    timers.advance(1);
    expect(calls).toHaveLength(1);
  });

  it('may be armed from its own callback', () => {
    const again = clock.createAlarm(() => {
      calls.push(clock.now());
      if (calls.length < 3) again.arm(clock.now() + 1_000);
    });
    again.arm(clock.now());
    for (let i = 0; i < 5; i++) timers.advance(1);
    expect(calls).toEqual([1_001_000, 1_002_000, 1_003_000]);
  });

  it('survives a deadline farther than a timer can reach', () => {
    const far = clock.now() + (2 ** 31 + 5_000) * 1_000;
    alarm.arm(far);
    timers.advance(2 ** 31 - 1);
    expect(calls).toEqual([]);
    timers.advance(5_001);
    expect(calls).toEqual([far]);
  });

  it('holds no timer after close, and ignores being armed', () => {
    alarm.arm(clock.now() + 1_000);
    alarm.close();
    expect(timers.pending).toBe(0);
    alarm.arm(clock.now());
    timers.advance(10);
    expect([...calls, timers.pending]).toEqual([0]);
  });

  it('lets the program end if asked to', () => {
    new SystemClock({ timers, unref: true }).createAlarm(() => {}).arm(clock.now() + 5);
    expect(timers.unrefs).toBe(1);
    alarm.arm(clock.now() + 5);
    expect(timers.unrefs).toBe(1);
  });
});
