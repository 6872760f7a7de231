import { describe, expect, it } from 'vitest';

import { MemoryOracle } from './memory-oracle.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

/** The values that a byte may have if it is read now. */
function allowedAt(oracle: MemoryOracle, offset: number): number[] {
  const values = Array.from({ length: 256 }, (_, value) => value);
  return values.filter((value) => oracle.check(offset, bytes(value)) === undefined);
}

describe('MemoryOracle', () => {
  it('expects the initial content, zero if none is given', () => {
    expect(allowedAt(new MemoryOracle(4), 3)).toEqual([0]);
    expect(allowedAt(new MemoryOracle(2, bytes(7, 8)), 1)).toEqual([8]);
  });

  it('expects what was written last, and leaves the neighbours alone', () => {
    const oracle = new MemoryOracle(8);
    oracle.endWrite(oracle.beginWrite(2, bytes(1, 1, 1)), 'ok');
    oracle.endWrite(oracle.beginWrite(3, bytes(2)), 'ok');
    expect(oracle.check(0, bytes(0, 0, 1, 2, 1, 0, 0, 0))).toBeUndefined();
  });

  it('names the first wrong byte and what it could have been', () => {
    const oracle = new MemoryOracle(8, bytes(0, 1, 2, 3, 4, 5, 6, 7));
    oracle.beginWrite(4, bytes(9));
    expect(oracle.check(2, bytes(2, 3, 8, 8))).toEqual({ offset: 4, actual: 8, allowed: [4, 9] });
  });

  it('allows old and new while a write is under way, only new once it has succeeded', () => {
    const oracle = new MemoryOracle(1, bytes(1));
    const write = oracle.beginWrite(0, bytes(2));
    expect(allowedAt(oracle, 0)).toEqual([1, 2]);
    oracle.endWrite(write, 'ok');
    expect(allowedAt(oracle, 0)).toEqual([2]);
  });

  it('allows old and new after a write that failed, until another succeeds', () => {
    const oracle = new MemoryOracle(1, bytes(1));
    oracle.endWrite(oracle.beginWrite(0, bytes(2)), 'failed');
    expect(allowedAt(oracle, 0)).toEqual([1, 2]);
    oracle.endWrite(oracle.beginWrite(0, bytes(3)), 'failed');
    expect(allowedAt(oracle, 0)).toEqual([1, 2, 3]);
    oracle.endWrite(oracle.beginWrite(0, bytes(4)), 'ok');
    expect(allowedAt(oracle, 0)).toEqual([4]);
  });

  it('allows either of two writes that overlapped in time, in whatever order they ended', () => {
    for (const firstEnds of [0, 1]) {
      const oracle = new MemoryOracle(1);
      const writes = [oracle.beginWrite(0, bytes(1)), oracle.beginWrite(0, bytes(2))];
      expect(allowedAt(oracle, 0)).toEqual([0, 1, 2]);
      oracle.endWrite(writes[firstEnds]!, 'ok');
      expect(allowedAt(oracle, 0)).toEqual([1, 2]);
      oracle.endWrite(writes[1 - firstEnds]!, 'ok');
      expect(allowedAt(oracle, 0)).toEqual([1, 2]);
      oracle.endWrite(oracle.beginWrite(0, bytes(3)), 'ok');
      expect(allowedAt(oracle, 0)).toEqual([3]);
    }
  });

  it('keeps a write in doubt that failed while a later one was under way', () => {
    const oracle = new MemoryOracle(1);
    const failing = oracle.beginWrite(0, bytes(1));
    const lasting = oracle.beginWrite(0, bytes(2));
    oracle.endWrite(failing, 'failed');
    oracle.endWrite(lasting, 'ok');
    expect(allowedAt(oracle, 0)).toEqual([1, 2]);
  });

  it('lifts the doubt only from the bytes that a later write covers', () => {
    const oracle = new MemoryOracle(4);
    oracle.endWrite(oracle.beginWrite(0, bytes(1, 1, 1, 1)), 'failed');
    oracle.endWrite(oracle.beginWrite(1, bytes(2, 2)), 'ok');
    expect([0, 1, 2, 3].map((offset) => allowedAt(oracle, offset))).toEqual([
      [0, 1],
      [2],
      [2],
      [0, 1],
    ]);
  });

  it('allows a read all that was there at any moment while it lasted', () => {
    const oracle = new MemoryOracle(1, bytes(1));
    const reads = Array.from({ length: 5 }, () => oracle.beginRead(0, 1));
    oracle.endWrite(oracle.beginWrite(0, bytes(2)), 'ok');
    oracle.endWrite(oracle.beginWrite(0, bytes(3)), 'ok');
    oracle.beginWrite(0, bytes(4));
    const wrong = reads.map((read, i) => oracle.endRead(read, bytes(i + 1)) !== undefined);
    expect(wrong).toEqual([false, false, false, false, true]);
    expect(allowedAt(oracle, 0)).toEqual([3, 4]);
  });

  it('does not allow a read what was replaced before it began', () => {
    const oracle = new MemoryOracle(1, bytes(1));
    oracle.endWrite(oracle.beginWrite(0, bytes(2)), 'ok');
    const read = oracle.beginRead(0, 1);
    expect(oracle.endRead(read, bytes(1))).toEqual({ offset: 0, actual: 1, allowed: [2] });
  });

  it('lets a read fail, and a later write of the caller change nothing', () => {
    const oracle = new MemoryOracle(1);
    const data = bytes(5);
    const write = oracle.beginWrite(0, data);
    data[0] = 6;
    oracle.endWrite(write, 'ok');
    expect(oracle.endRead(oracle.beginRead(0, 1), undefined)).toBeUndefined();
    expect(allowedAt(oracle, 0)).toEqual([5]);
  });

  it('counts what is under way, and refuses to end anything twice or out of bounds', () => {
    const oracle = new MemoryOracle(4);
    const write = oracle.beginWrite(0, bytes(1));
    const read = oracle.beginRead(0, 1);
    expect(oracle.accessesUnderWay).toBe(2);
    oracle.endWrite(write, 'failed');
    oracle.endRead(read, undefined);
    expect(oracle.accessesUnderWay).toBe(0);
    expect(() => oracle.endWrite(write, 'ok')).toThrow();
    expect(() => oracle.endRead(read, undefined)).toThrow();
    expect(() => oracle.beginRead(3, 2)).toThrow();
  });
});
