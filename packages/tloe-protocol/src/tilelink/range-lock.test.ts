import { beforeEach, describe, expect, it } from 'vitest';

import { RangeLocks } from './range-lock.ts';

let granted: string[];
let locks: RangeLocks<string>;

beforeEach(() => {
  granted = [];
  locks = new RangeLocks((holder) => granted.push(holder));
});

describe('two ranges', () => {
  it.each([
    ['read', 'read', 0],
    ['read', 'write', 1],
    ['write', 'read', 1],
    ['write', 'write', 1],
  ])('that overlap, %s then %s: %i in the way', (first, second, blockers) => {
    locks.acquire(0, 100, first === 'write', 'first');
    expect(locks.acquire(99, 1, second === 'write', 'second').blockers).toBe(blockers);
  });

  it('that touch do not conflict; in one word they do, as words are what is accessed', () => {
    locks.acquire(0, 16, true, 'first');
    expect(locks.acquire(16, 8, true, 'behind').blockers).toBe(0);
    expect(locks.acquire(30, 1, true, 'apart').blockers).toBe(0);
    expect(locks.acquire(31, 1, true, 'same word').blockers).toBe(1);
    expect(locks.acquire(25, 2, true, 'same word').blockers).toBe(2);
  });

  it('are rounded out to whole words', () => {
    expect(locks.acquire(25, 2, true, 'inside')).toMatchObject({ start: 24, end: 32 });
    expect(locks.acquire(39, 2, true, 'across')).toMatchObject({ start: 32, end: 48 });
    expect(locks.acquire(64, 8, true, 'whole')).toMatchObject({ start: 64, end: 72 });
  });

  it('beyond 4 GiB are compared as far as they go', () => {
    locks.acquire(2 ** 40, 8, true, 'first');
    expect(locks.acquire(0, 8, true, 'low').blockers).toBe(0);
    expect(locks.acquire(2 ** 40 + 7, 1, false, 'same').blockers).toBe(1);
  });
});

describe('a range that waits', () => {
  it('is granted when the last one in the way ends, and is told once', () => {
    const first = locks.acquire(0, 8, false, 'first');
    const second = locks.acquire(8, 8, false, 'second');
    const wide = locks.acquire(0, 16, true, 'wide');
    expect(wide.blockers).toBe(2);
    locks.release(second);
    expect(granted).toEqual([]);
    locks.release(first);
    expect(granted).toEqual(['wide']);
    locks.release(wide);
    expect(granted).toEqual(['wide']);
    expect(locks.count).toBe(0);
  });

  it('is not overtaken by a later one that conflicts with it only', () => {
    const reading = locks.acquire(0, 8, false, 'reading');
    const writing = locks.acquire(0, 8, true, 'writing');
    const late = locks.acquire(0, 8, false, 'late');
    expect(late.blockers).toBe(1);
    locks.release(reading);
    expect(granted).toEqual(['writing']);
    locks.release(writing);
    expect(granted).toEqual(['writing', 'late']);
  });

  it('that is given up lets those behind it have what was free otherwise', () => {
    locks.acquire(0, 8, false, 'reading');
    const writing = locks.acquire(0, 16, true, 'writing');
    locks.acquire(8, 8, false, 'behind');
    locks.release(writing);
    expect(granted).toEqual(['behind']);
  });

  it('whose holder is gone is granted to nobody', () => {
    const first = locks.acquire(0, 8, true, 'first');
    locks.acquire(0, 8, true, 'gone').holder = undefined;
    locks.release(first);
    expect(granted).toEqual([]);
  });
});

describe('a range in use', () => {
  it('is free only when every access of it has ended', () => {
    const first = locks.acquire(0, 8, true, 'first');
    locks.acquire(0, 8, true, 'second');
    locks.hold(first);
    locks.hold(first);
    locks.release(first);
    locks.release(first);
    expect(granted).toEqual([]);
    locks.release(first);
    expect(granted).toEqual(['second']);
  });

  it('is released no more often than it was held', () => {
    const lock = locks.acquire(0, 8, true, 'only');
    locks.release(lock);
    expect(() => locks.release(lock)).toThrow('the lock is held');
  });
});

it('takes locks from a pool, without anything of their former use', () => {
  const first = locks.acquire(0, 800, true, 'first');
  locks.hold(first);
  locks.release(first);
  locks.release(first);
  const again = locks.acquire(80, 8, false, 'again');
  expect(again).toBe(first);
  expect(again).toMatchObject({ start: 80, end: 88, isWrite: false, blockers: 0, holds: 1 });
  expect(locks.acquire(0, 8, true, 'other')).not.toBe(first);
});
