import { describe, expect, it } from 'vitest';

import { MAX_IDENTIFIER } from '../wire/tilelink-message.ts';
import { AccessKind, AccessTable, type Access } from './access-table.ts';

/** Takes an access as one does that sends a Get. */
function begin(table: AccessTable): Access {
  const access = table.take()!;
  access.kind = AccessKind.get;
  table.renewSource(access);
  return access;
}

describe('slots', () => {
  it('are as many as asked for, a power of two up to 1024', () => {
    const table = new AccessTable(4, 0);
    for (let i = 0; i < 4; i++) begin(table);
    expect(table.inFlight).toBe(4);
    expect(table.take()).toBeUndefined();
    expect(() => new AccessTable(3, 0)).toThrow('power of two');
    expect(() => new AccessTable(2048, 0)).toThrow('power of two');
  });

  it('are used again in the order in which they became free', () => {
    const table = new AccessTable(4, 0);
    const [a, b, c, d] = [begin(table), begin(table), begin(table), begin(table)];
    for (const access of [c, a, d, b]) table.give(access);
    expect(table.inFlight).toBe(0);
    const again = [begin(table), begin(table), begin(table), begin(table)];
    expect(again).toEqual([c, a, d, b]);
  });

  it('are given back once', () => {
    const table = new AccessTable(4, 0);
    const access = begin(table);
    table.give(access);
    expect(() => table.give(access)).toThrow('in flight');
  });

  it('forget whose they were', () => {
    const table = new AccessTable(1, 0);
    const access = begin(table);
    access.reissues = 3;
    table.give(access);
    expect(access).toMatchObject({ kind: AccessKind.free, request: undefined, lock: undefined });
    expect(begin(table).reissues).toBe(0);
  });
});

describe('an answer', () => {
  it('finds the access with its source, and no other', () => {
    const table = new AccessTable(8, 77);
    const all = Array.from({ length: 8 }, () => begin(table));
    for (const access of all) expect(table.find(access.source)).toBe(access);
    for (const access of all) expect(table.find(access.source ^ 8)).toBeUndefined();
  });

  it('to an access that was answered, given up or sent again under another source finds none', () => {
    const table = new AccessTable(2, 0);
    const access = begin(table);
    const first = access.source;
    table.renewSource(access);
    expect(table.find(first)).toBeUndefined();
    expect(table.find(access.source)).toBe(access);
    table.give(access);
    expect(table.find(access.source)).toBeUndefined();
  });

  it('to an access that waits to be sent finds none: it cannot be for what was not sent', () => {
    const table = new AccessTable(2, 0);
    const access = begin(table);
    access.isQueued = true;
    expect(table.find(access.source)).toBeUndefined();
    access.isQueued = false;
    expect(table.find(access.source)).toBe(access);
  });

  it('with any source at all is safe to look up', () => {
    const table = new AccessTable(8, 0);
    for (const source of [0, 1, 7, 8, MAX_IDENTIFIER]) expect(table.find(source)).toBeUndefined();
  });
});

describe('sources', () => {
  it.each([
    [1024, 2 ** 16],
    [256, 2 ** 18],
  ])('of %i slots come back after %i uses of their slot', (slots, uses) => {
    const table = new AccessTable(slots, 12_345);
    const access = begin(table);
    const first = access.source;
    let used = 0;
    do {
      table.renewSource(access);
      used++;
    } while (access.source !== first && used <= uses);
    expect(used).toBe(uses);
  });

  it('fit into 26 bits wherever counting begins', () => {
    for (const firstSource of [0, 1, 2 ** 26 - 1, 2 ** 31, 2 ** 32 - 1]) {
      const table = new AccessTable(4, firstSource);
      for (let i = 0; i < 20; i++) {
        const access = begin(table);
        expect(access.source).toBeGreaterThanOrEqual(0);
        expect(access.source).toBeLessThanOrEqual(MAX_IDENTIFIER);
        expect(table.find(access.source)).toBe(access);
        table.give(access);
      }
    }
  });

  it('differ between tables that begin elsewhere, so that late answers to the one before miss', () => {
    const before = new AccessTable(4, 1000);
    const after = new AccessTable(4, 5000);
    const late = Array.from({ length: 4 }, () => begin(before).source);
    for (let i = 0; i < 4; i++) begin(after);
    for (const source of late) expect(after.find(source)).toBeUndefined();
  });
});
