import { ByteRegion } from '@oxmem/tloe-protocol';
import { Prng } from '@oxmem/tloe-protocol/testing';
import { describe, expect, it } from 'vitest';
import { createPatternMemory, patternByte } from './pattern-memory.ts';
import { SparseMemory } from './sparse-memory.ts';
import { TAINT_BYTE, createTaintedMemory } from './tainted-memory.ts';

const KIB = 1024;

function regionOf(...bytes: number[]): ByteRegion {
  return new ByteRegion(Uint8Array.from(bytes));
}

function readBytes(memory: SparseMemory, offset: number, length: number): number[] {
  const target = ByteRegion.allocate(length + 8);
  target.bytes.fill(0xee);
  memory.read(offset, length, target, 4);
  expect([...target.bytes.subarray(0, 4)]).toEqual([0xee, 0xee, 0xee, 0xee]);
  expect([...target.bytes.subarray(length + 4)]).toEqual([0xee, 0xee, 0xee, 0xee]);
  return [...target.bytes.subarray(4, length + 4)];
}

describe('SparseMemory', () => {
  it('is zero everywhere and takes no memory for that', () => {
    const memory = new SparseMemory(16 * KIB ** 4);
    expect(readBytes(memory, 0, 5)).toEqual([0, 0, 0, 0, 0]);
    expect(readBytes(memory, memory.sizeBytes - 5, 5)).toEqual([0, 0, 0, 0, 0]);
    expect(memory.allocatedBytes).toBe(0);
  });

  it('keeps the last byte of sixteen terabytes', () => {
    const memory = new SparseMemory(16 * KIB ** 4);
    memory.write(memory.sizeBytes - 1, 1, regionOf(7), 0);
    expect(readBytes(memory, memory.sizeBytes - 3, 3)).toEqual([0, 0, 7]);
    expect(memory.allocatedBytes).toBe(64 * KIB);
  });

  it('spreads an access over the pages that it touches', () => {
    const memory = new SparseMemory(64, { pageBytes: 8 });
    memory.write(6, 12, regionOf(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), 0);
    expect(readBytes(memory, 5, 14)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0]);
    expect(memory.allocatedBytes).toBe(24);
  });

  it('takes no memory for zeros written where nothing was', () => {
    const memory = new SparseMemory(KIB ** 3);
    memory.write(0, 4096, ByteRegion.allocate(4096), 0);
    expect(memory.allocatedBytes).toBe(0);
  });

  it('takes zeros written over something', () => {
    const memory = new SparseMemory(64, { pageBytes: 8 });
    memory.write(0, 4, regionOf(1, 2, 3, 4), 0);
    memory.write(1, 2, regionOf(0, 0), 0);
    expect(readBytes(memory, 0, 4)).toEqual([1, 0, 0, 4]);
  });

  it('agrees with a plain array after any accesses', () => {
    const prng = new Prng(11);
    const memory = new SparseMemory(1000, { pageBytes: 32 });
    const model = new Uint8Array(1000);
    const source = ByteRegion.allocate(256);
    for (let i = 0; i < 3000; i++) {
      const length = prng.between(1, 200);
      const offset = prng.below(1000 - length + 1);
      const from = prng.below(56);
      if (prng.chance(0.2)) source.bytes.fill(0);
      else prng.fillBytes(source.bytes);
      memory.write(offset, length, source, from);
      model.set(source.bytes.subarray(from, from + length), offset);
      const readLength = prng.between(1, 200);
      const readOffset = prng.below(1000 - readLength + 1);
      const expected = [...model.subarray(readOffset, readOffset + readLength)];
      expect(readBytes(memory, readOffset, readLength)).toEqual(expected);
    }
  });

  it('takes no memory for accesses to pages that exist', () => {
    const memory = new SparseMemory(KIB ** 2);
    const region = ByteRegion.allocate(KIB);
    region.bytes.fill(1);
    const work = (rounds: number): void => {
      for (let i = 0; i < rounds; i++) {
        const offset = (i * 5 * KIB) % (KIB ** 2 - KIB);
        memory.write(offset, KIB, region, 0);
        memory.read(offset, KIB, region, 0);
      }
    };
    work(20_000);
    const before = process.memoryUsage();
    work(100_000);
    const after = process.memoryUsage();
    // Short-lived views of pages come and go; a hundred bytes kept per access would be 20 MB.
    expect(after.heapUsed - before.heapUsed).toBeLessThan(8 * KIB ** 2);
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(KIB ** 2);
  });
});

describe('createPatternMemory', () => {
  it('holds what patternByte says until something is written', () => {
    const memory = createPatternMemory(2 ** 40);
    const offset = 2 ** 39 + 65_530;
    const pattern = Array.from({ length: 12 }, (_, i) => patternByte(offset + i));
    expect(readBytes(memory, offset, 12)).toEqual(pattern);
    memory.write(offset + 4, 2, regionOf(1, 2), 0);
    pattern.splice(4, 2, 1, 2);
    expect(readBytes(memory, offset, 12)).toEqual(pattern);
  });

  it('takes zeros for something that changes it', () => {
    const memory = createPatternMemory(64);
    memory.write(0, 4, regionOf(0, 0, 0, 0), 0);
    expect(readBytes(memory, 0, 4)).toEqual([0, 0, 0, 0]);
  });

  it('differs between places that a wrong address would confuse', () => {
    const word = (offset: number): string =>
      Array.from({ length: 8 }, (_, i) => patternByte(offset + i)).join();
    const words = new Set<string>();
    for (let i = 0; i < 1024; i++) words.add(word(i * 8));
    for (let bit = 13; bit < 52; bit++) words.add(word(2 ** bit));
    expect(words.size).toBe(1024 + 39);
  });
});

describe('createTaintedMemory', () => {
  it('is poison where nobody has written', () => {
    const memory = createTaintedMemory(100);
    memory.write(1, 1, regionOf(5), 0);
    expect(readBytes(memory, 0, 3)).toEqual([TAINT_BYTE, 5, TAINT_BYTE]);
    expect(readBytes(memory, 99, 1)).toEqual([TAINT_BYTE]);
  });
});
