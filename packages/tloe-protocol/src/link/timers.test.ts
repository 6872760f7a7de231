import { expect, it } from 'vitest';

import { NEVER } from '../units.ts';
import { Timer, Timers } from './timers.ts';

it('has no deadline in the beginning', () => {
  const timers = new Timers();
  expect(timers.earliest()).toBe(NEVER);
  for (const timer of Object.values(Timer)) {
    expect(timers.isSet(timer)).toBe(false);
    expect(timers.expire(timer, Number.MAX_SAFE_INTEGER)).toBe(false);
  }
});

it('tells the earliest of all deadlines', () => {
  const timers = new Timers();
  for (const [i, timer] of Object.values(Timer).entries()) timers.set(timer, 100 - i);
  expect(timers.earliest()).toBe(100 - Object.values(Timer).length + 1);
  timers.clearAll();
  expect(timers.earliest()).toBe(NEVER);
});

it('starts a deadline only if there is none, and sets it in any case', () => {
  const timers = new Timers();
  timers.start(Timer.ackDelay, 10);
  timers.start(Timer.ackDelay, 5);
  expect(timers.earliest()).toBe(10);
  timers.set(Timer.ackDelay, 20);
  expect(timers.earliest()).toBe(20);
  timers.clear(Timer.ackDelay);
  timers.start(Timer.ackDelay, 30);
  expect(timers.earliest()).toBe(30);
});

it('expires a deadline at its time and once', () => {
  const timers = new Timers();
  timers.set(Timer.lost, 10);
  expect(timers.expire(Timer.lost, 9)).toBe(false);
  expect(timers.isSet(Timer.lost)).toBe(true);
  expect(timers.expire(Timer.lost, 10)).toBe(true);
  expect(timers.isSet(Timer.lost)).toBe(false);
  expect(timers.expire(Timer.lost, 11)).toBe(false);
});

it('keeps deadlines apart', () => {
  const timers = new Timers();
  timers.set(Timer.close, 1);
  timers.set(Timer.retransmit, 2);
  expect(timers.expire(Timer.close, 5)).toBe(true);
  expect(timers.isSet(Timer.retransmit)).toBe(true);
});
