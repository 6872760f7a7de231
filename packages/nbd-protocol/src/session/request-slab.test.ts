import { describe, expect, it } from 'vitest';
import { NO_ROOM, PAGE_BYTES, RequestSlab } from './request-slab.ts';

describe('the slab', () => {
  it('gives out runs at page boundaries until it is full', () => {
    const slab = new RequestSlab(8 * PAGE_BYTES);
    expect([1, 4096, 4097, 8192].map((length) => slab.allocate(length))).toEqual([
      0, 4096, 8192, 16384,
    ]);
    expect(slab.usedBytes).toBe(6 * PAGE_BYTES);
    expect(slab.allocate(3 * PAGE_BYTES)).toBe(NO_ROOM);
    expect(slab.allocate(2 * PAGE_BYTES)).toBe(24576);
    expect(slab.allocate(1)).toBe(NO_ROOM);
  });

  it('takes the first run that is long enough, and comes back to what was freed before it', () => {
    const slab = new RequestSlab(8 * PAGE_BYTES);
    const runs = [0, 1, 2, 3, 4].map(() => slab.allocate(PAGE_BYTES));
    for (const index of [1, 3, 4]) slab.free(runs[index] ?? NO_ROOM);
    expect(slab.allocate(2 * PAGE_BYTES)).toBe(3 * PAGE_BYTES);
    expect(slab.allocate(PAGE_BYTES)).toBe(PAGE_BYTES);
    expect(slab.allocate(PAGE_BYTES)).toBe(5 * PAGE_BYTES);
    slab.free(runs[0] ?? NO_ROOM);
    expect(slab.allocate(PAGE_BYTES)).toBe(0);
  });

  it('touches no more than what is in use at a time, however long it works', () => {
    const slab = new RequestSlab(64 * PAGE_BYTES);
    let furthest = 0;
    let held = slab.allocate(3 * PAGE_BYTES);
    for (let i = 0; i < 100; i++) {
      const next = slab.allocate((1 + (i % 3)) * PAGE_BYTES);
      furthest = Math.max(furthest, next);
      slab.free(held);
      held = next;
    }
    expect(furthest).toBeLessThan(8 * PAGE_BYTES);
  });

  it('is whole again when everything has been given back', () => {
    const slab = new RequestSlab(8 * PAGE_BYTES);
    const runs = [3, 1, 2, 2].map((pages) => slab.allocate(pages * PAGE_BYTES));
    for (const index of [2, 0, 3, 1]) slab.free(runs[index] ?? NO_ROOM);
    expect(slab.usedBytes).toBe(0);
    expect(slab.allocate(8 * PAGE_BYTES)).toBe(0);
  });

  it('refuses to take back what it did not give', () => {
    const slab = new RequestSlab(8 * PAGE_BYTES);
    const run = slab.allocate(2 * PAGE_BYTES);
    expect(() => slab.free(run + PAGE_BYTES)).toThrow('in use');
    slab.free(run);
    expect(() => slab.free(run)).toThrow('in use');
  });
});
