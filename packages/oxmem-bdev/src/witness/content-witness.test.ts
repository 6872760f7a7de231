import { crc32 } from 'node:zlib';

import { describe, expect, it } from 'vitest';

import {
  ContentWitness,
  SAMPLES,
  SAMPLE_BYTES,
  type Sample,
  type SampleStore,
} from './content-witness.ts';

class ArrayStore implements SampleStore {
  readonly slots: (Sample | undefined)[] = Array.from({ length: SAMPLES });

  put(slot: number, sample: Sample): void {
    this.slots[slot] = sample;
  }

  clear(slot: number): void {
    this.slots[slot] = undefined;
  }

  get samples(): Sample[] {
    return this.slots.filter((sample) => sample !== undefined);
  }
}

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed) & 0xff);
}

function range(from: number, until: number): number[] {
  return Array.from({ length: until - from }, (_, i) => from + i);
}

function started(): { witness: ContentWitness; store: ArrayStore } {
  const witness = new ContentWitness();
  const store = new ArrayStore();
  witness.begin(store);
  return { witness, store };
}

describe('the witness of what a device holds', () => {
  it('keeps the checksums of whole sectors of a transfer, wherever the transfer begins', () => {
    const { witness, store } = started();
    const bytes = pattern(2000, 1);
    witness.see({ offset: 1000, length: 1900, bytes, start: 100 });
    expect(store.samples).toEqual(
      [1024, 1536, 2048].map((offset) => {
        const from = 100 + offset - 1000;
        return { offset, crc: crc32(bytes.subarray(from, from + 512)) };
      }),
    );
  });

  it('takes four samples of a long transfer while it has few, and one when it has enough', () => {
    const { witness, store } = started();
    const see = (offset: number): void =>
      witness.see({ offset, length: 65_536, bytes: pattern(65_536, offset), start: 0 });
    see(0);
    expect(store.samples.map(({ offset }) => offset)).toEqual([0, 16_384, 32_768, 49_152]);
    for (const offset of [65_536, 131_072, 196_608]) see(offset);
    expect(store.samples).toHaveLength(16);
    see(262_144);
    expect(store.samples).toHaveLength(17);
  });

  it('takes nothing from a transfer without a whole sector, or of bytes that are all alike', () => {
    const { witness, store } = started();
    witness.see({ offset: 1, length: 1022, bytes: pattern(1022, 1), start: 0 });
    witness.see({ offset: 0, length: 4096, bytes: new Uint8Array(4096).fill(7), start: 0 });
    expect(store.samples).toEqual([]);
  });

  it('has one sample of a place, however often it is seen', () => {
    const { witness, store } = started();
    const transfer = { offset: 0, length: 512, bytes: pattern(512, 1), start: 0 };
    for (let i = 0; i < 9; i++) witness.see(transfer);
    expect(store.samples).toHaveLength(1);
  });

  it('forgets, before a write, every sample that the write touches, and no other', () => {
    const { witness, store } = started();
    const bytes = pattern(SAMPLE_BYTES, 3);
    for (const offset of [0, 512, 1024]) witness.see({ offset, length: 512, bytes, start: 0 });
    witness.beforeWrite(511, 2);
    expect(store.samples.map(({ offset }) => offset)).toEqual([1024]);
    witness.beforeWrite(1536, 512);
    expect(store.samples).toHaveLength(1);
  });

  it('asks for the first transfers one by one, then for one in 256', () => {
    const { witness } = started();
    const bytes = pattern(512, 9);
    for (let i = 0; i < SAMPLES; i++) {
      expect(witness.isDue()).toBe(true);
      witness.see({ offset: i * 512, length: 512, bytes, start: 0 });
    }
    expect(witness.isDue()).toBe(true);
    const later = Array.from({ length: 512 }, () => witness.isDue());
    expect(later.filter(Boolean)).toHaveLength(2);
  });

  it('asks for more again when writes have left it few', () => {
    const { witness } = started();
    for (let i = 0; i < SAMPLES; i++) {
      witness.isDue();
      witness.see({ offset: i * 512, length: 512, bytes: pattern(512, i), start: 0 });
    }
    witness.beforeWrite(0, (SAMPLES - 15) * 512);
    expect(witness.samples()).toHaveLength(15);
    const later = Array.from({ length: 64 }, () => witness.isDue());
    expect(later.filter(Boolean)).toHaveLength(16);
  });

  it('remembers without a store, and writes down what it knows when it gets one', () => {
    const witness = new ContentWitness();
    const bytes = pattern(512, 4);
    witness.see({ offset: 512, length: 512, bytes, start: 0 });
    expect(witness.samples()).toEqual([{ offset: 512, crc: crc32(bytes) }]);
    const store = new ArrayStore();
    witness.begin(store);
    expect(store.samples).toEqual(witness.samples());
  });

  it('replaces the oldest of one half when all places are taken; the other half stays', () => {
    const { witness, store } = started();
    const see = (i: number): void =>
      witness.see({ offset: i * 512, length: 512, bytes: pattern(512, i), start: 0 });
    for (let i = 0; i <= SAMPLES; i++) see(i);
    const sectors = (): number[] => store.samples.map(({ offset }) => offset / 512);
    expect(sectors()).toEqual([...Array(32).keys(), 64, ...range(33, 64)]);
    for (let i = 65; i < 300; i++) see(i);
    expect(sectors().slice(0, 32)).toEqual([...Array(32).keys()]);
    expect(Math.min(...sectors().slice(32))).toBe(300 - 32);
    witness.beforeWrite(5 * 512, 1);
    see(300);
    expect(sectors()[5]).toBe(300);
  });

  it('begins with what is known to be true', () => {
    const witness = new ContentWitness();
    const store = new ArrayStore();
    witness.begin(store, [{ offset: 512, crc: 5 }]);
    expect(store.samples).toEqual([{ offset: 512, crc: 5 }]);
    witness.beforeWrite(600, 1);
    expect(store.samples).toEqual([]);
  });
});
