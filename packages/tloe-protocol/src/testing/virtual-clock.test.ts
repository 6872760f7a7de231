import { describe, expect, it } from 'vitest';

import { NEVER } from '../units.ts';
import { SimulationStuckError, VirtualClock } from './virtual-clock.ts';

describe('VirtualClock', () => {
  it('stands still until it is moved, and stops at each event on the way', () => {
    const clock = new VirtualClock(100);
    const seen: number[] = [];
    clock.schedule(150, () => seen.push(clock.now()));
    clock.schedule(120, () => seen.push(clock.now()));
    clock.schedule(201, () => seen.push(clock.now()));
    expect(clock.now()).toBe(100);
    clock.advanceTo(200);
    expect(seen).toEqual([120, 150]);
    expect(clock.now()).toBe(200);
    clock.advanceBy(1);
    expect(seen).toEqual([120, 150, 201]);
  });

  it('goes as far as it is told, even for days', () => {
    const clock = new VirtualClock();
    let runs = 0;
    clock.schedule(86_400_000_000, () => (runs += 1));
    clock.advanceTo(90_000_000_000);
    expect([runs, clock.now()]).toEqual([1, 90_000_000_000]);
  });

  it('runs events of one instant in the order in which they were scheduled', () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    clock.schedule(1, () => {
      seen.push('a');
      clock.schedule(0, () => seen.push('c'));
    });
    clock.schedule(1, () => seen.push('b'));
    clock.runDry();
    expect(seen.join('')).toBe('abc');
    expect(clock.now()).toBe(1);
  });

  it('does not run what was cancelled', () => {
    const clock = new VirtualClock();
    let runs = 0;
    clock.cancel(clock.schedule(1, () => (runs += 1)));
    clock.runDry();
    expect([runs, clock.now()]).toEqual([0, 0]);
  });

  it('refuses to go back', () => {
    expect(() => new VirtualClock(5).advanceTo(4)).toThrow();
  });

  it('runs until a condition holds and not one event longer', () => {
    const clock = new VirtualClock();
    let count = 0;
    for (let at = 1; at <= 10; at++) clock.schedule(at, () => (count += 1));
    expect(clock.runUntil(() => count === 4)).toBe(true);
    expect([count, clock.now()]).toEqual([4, 4]);
    expect(clock.runUntil(() => count === 11)).toBe(false);
    expect(clock.runUntil(() => true)).toBe(true);
  });

  it('fails loudly when machines keep each other busy without end', () => {
    const clock = new VirtualClock();
    const ping = (): void => void clock.schedule(clock.now(), ping);
    ping();
    expect(() => clock.runDry({ maxEvents: 1_000 })).toThrow(SimulationStuckError);
    expect(() => clock.advanceTo(1, { maxEvents: 1_000 })).toThrow('1000 events');
    expect(clock.eventsRun).toBe(2_000);
  });

  it('fails loudly when the time allowed is over', () => {
    const clock = new VirtualClock();
    const tick = (): void => void clock.schedule(clock.now() + 1_000, tick);
    tick();
    expect(() => clock.runUntil(() => false, { maxMicros: 10_000 })).toThrow('virtual time is up');
    expect(clock.now()).toBe(10_000);
  });

  it('lets promises settle between events', async () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    const sleep = (at: number): Promise<void> =>
      new Promise((resolve) => clock.schedule(at, resolve));
    const program = async (): Promise<void> => {
      await sleep(5);
      seen.push('five');
      await sleep(3);
      seen.push('past');
    };
    void program();
    const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    expect(await clock.runUntilAsync(() => seen.length === 2, settle)).toBe(true);
    expect(seen).toEqual(['five', 'past']);
  });
});

describe('an alarm of VirtualClock', () => {
  it('fires once at its deadline', () => {
    const clock = new VirtualClock();
    const calls: number[] = [];
    clock.createAlarm(() => calls.push(clock.now())).arm(7);
    clock.advanceTo(100);
    expect(calls).toEqual([7]);
  });

  it('has one deadline, the last', () => {
    const clock = new VirtualClock();
    const calls: number[] = [];
    const alarm = clock.createAlarm(() => calls.push(clock.now()));
    for (const at of [7, 50, 3, 20]) alarm.arm(at);
    clock.runDry();
    expect(calls).toEqual([20]);
    expect(clock.eventsRun).toBe(1);
  });

  it('fires soon for a time in the past, but never inside arm', () => {
    const clock = new VirtualClock(10);
    const calls: number[] = [];
    const alarm = clock.createAlarm(() => calls.push(clock.now()));
    alarm.arm(3);
    expect(calls).toEqual([]);
    clock.runDry();
    expect(calls).toEqual([10]);
  });

  it('is disarmed by Infinity and by close, and after close for good', () => {
    const clock = new VirtualClock();
    const calls: number[] = [];
    const alarm = clock.createAlarm(() => calls.push(clock.now()));
    alarm.arm(5);
    alarm.arm(NEVER);
    expect(clock.nextAt).toBe(NEVER);
    alarm.arm(6);
    alarm.close();
    alarm.arm(7);
    clock.runDry();
    expect(calls).toEqual([]);
  });

  it('may be armed from its own callback', () => {
    const clock = new VirtualClock();
    const calls: number[] = [];
    const alarm = clock.createAlarm(() => {
      calls.push(clock.now());
      if (calls.length < 3) alarm.arm(clock.now() + 10);
    });
    alarm.arm(0);
    clock.runDry();
    expect(calls).toEqual([0, 10, 20]);
  });
});
