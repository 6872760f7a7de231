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

  it('finds a run that lies across the place where the last search ended', () => {
    const slab = new RequestSlab(8 * PAGE_BYTES);
    const runs = [0, 1, 2, 3, 4].map(() => slab.allocate(PAGE_BYTES));
    for (const run of runs.slice(2)) slab.free(run);
    expect(slab.allocate(6 * PAGE_BYTES)).toBe(2 * PAGE_BYTES);
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
