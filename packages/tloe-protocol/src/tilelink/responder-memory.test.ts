import { describe, expect, it } from 'vitest';

import { ByteRegion } from '../byte-region.ts';
import { dataFlits, maskFlits } from '../wire/channel.ts';
import { MessageView } from '../wire/frame-view.ts';
import type { DataOrder } from './data-order.ts';
import type { MemoryBackend } from './memory-backend.ts';
import { ResponderMemory } from './responder-memory.ts';

/** Bytes of memory in these tests, and where the body of a message lies in its region. */
const SIZE = 256;
const BODY = 16;
/** What memory holds before, and what stands in lanes that carry nothing. */
const OLD = 0x11;
const NOISE = 0xee;

const ORDERS: readonly DataOrder[] = ['raw', 'spec'];

/** A memory of equal bytes behind a responder. */
function memoryOf(order: DataOrder): { bytes: Uint8Array; memory: ResponderMemory } {
  const region = ByteRegion.allocate(SIZE);
  region.bytes.fill(OLD);
  const backend: MemoryBackend = {
    sizeBytes: SIZE,
    read: (offset, length, target, at) =>
      target.bytes.set(region.bytes.subarray(offset, offset + length), at),
    write: (offset, length, source, at) =>
      region.bytes.set(source.bytes.subarray(at, at + length), offset),
  };
  return { bytes: region.bytes, memory: new ResponderMemory(backend, order === 'spec') };
}

/** Place in the region of the byte for `address`, of the word `word` that begins at `wordAt`. */
function wireAt(wordAt: number, address: number, order: DataOrder): number {
  const lane = address % 8;
  return wordAt + (order === 'spec' ? 7 - lane : lane);
}

/** A message with room for its body, full of noise. */
function messageOf(addressLow: number, sizeLog2: number, bodyWords: number): MessageView {
  const region = ByteRegion.allocate(BODY + 8 * bodyWords);
  region.bytes.fill(NOISE, BODY);
  return Object.assign(new MessageView(), { region, bodyOffset: BODY, addressLow, sizeLog2 });
}

/** A PutFullData of the numbers 0xa0, 0xa1, … in rising addresses. */
function putFull(address: number, sizeLog2: number, order: DataOrder): MessageView {
  const message = messageOf(address, sizeLog2, dataFlits(sizeLog2));
  for (let i = 0; i < 2 ** sizeLog2; i++) {
    const word = Math.floor(((address % 8) + i) / 8);
    message.region.bytes[wireAt(BODY + 8 * word, address + i, order)] = 0xa0 + i;
  }
  return message;
}

/** Every aligned address below 16 for an access of 2^n bytes. */
function places(sizes: readonly number[]): { sizeLog2: number; address: number }[] {
  return sizes.flatMap((sizeLog2) =>
    Array.from({ length: 16 >> sizeLog2 }, (_, i) => ({ sizeLog2, address: i << sizeLog2 })),
  );
}

describe.each(ORDERS)('data order %s', (order) => {
  it('writes exactly the bytes of the access: below a word, neighbours stay as they were', () => {
    for (const { sizeLog2, address } of places([0, 1, 2, 3, 4])) {
      const { bytes, memory } = memoryOf(order);
      const length = 2 ** sizeLog2;
      memory.write(address, length, putFull(address, sizeLog2, order));
      const expected = new Uint8Array(SIZE).fill(OLD);
      for (let i = 0; i < length; i++) expected[address + i] = 0xa0 + i;
      expect(bytes, `${length} bytes at ${address}`).toEqual(expected);
    }
  });

  it('answers a read below a word in the lanes of its address, with zeros in the others', () => {
    for (const { sizeLog2, address } of places([0, 1, 2, 3])) {
      const { bytes, memory } = memoryOf(order);
      const length = 2 ** sizeLog2;
      for (let i = 0; i < SIZE; i++) bytes[i] = i + 1;
      const region = ByteRegion.allocate(BODY + 8);
      region.bytes.fill(NOISE, BODY);
      memory.read(address, length, region, BODY, address % 8);
      const expected = new Uint8Array(8);
      for (let i = 0; i < length; i++) expected[wireAt(0, address + i, order)] = address + i + 1;
      expect(region.bytes.slice(BODY), `${length} bytes at ${address}`).toEqual(expected);
    }
  });

  it('writes under a mask: below a word the live bits are those of the lanes', () => {
    for (const { sizeLog2, address } of places([0, 1, 2])) {
      const length = 2 ** sizeLog2;
      for (let wanted = 0; wanted < 1 << length; wanted++) {
        const { bytes, memory } = memoryOf(order);
        const message = messageOf(address, sizeLog2, 2);
        const expected = new Uint8Array(SIZE).fill(OLD);
        // Bits outside the access are set: they must not let anything through.
        let mask = 0xff;
        for (let i = 0; i < length; i++) {
          const at = wireAt(0, address + i, order);
          message.region.bytes[BODY + 8 + at] = 0xa0 + i;
          if ((wanted & (1 << i)) === 0) mask &= ~(0x80 >> at);
          else expected[address + i] = 0xa0 + i;
        }
        message.region.view.setUint32(BODY, 0);
        message.region.view.setUint32(BODY + 4, mask);
        memory.writeMasked(address, length, message);
        expect(bytes, `mask ${wanted} of ${length} bytes at ${address}`).toEqual(expected);
      }
    }
  });

  it.each([3, 4, 5, 6, 7])('writes 2^%i bytes under a mask, each bit for its byte', (sizeLog2) => {
    const length = 2 ** sizeLog2;
    for (let only = 0; only < length; only++) {
      const { bytes, memory } = memoryOf(order);
      // For 128 bytes two groups: mask, eight data words, mask, eight data words.
      const message = messageOf(64, sizeLog2, maskFlits(sizeLog2) + dataFlits(sizeLog2));
      const word = Math.floor(only / 8);
      const group = BODY + Math.floor(word / 8) * 72;
      for (let at = BODY; at < message.region.bytes.length; at += 72) {
        message.region.view.setBigUint64(at, 0n);
      }
      const wireByte = wireAt(0, only, order);
      const maskBit = BigInt(8 * (word % 8) + 7 - wireByte);
      message.region.view.setBigUint64(group, 1n << maskBit);
      message.region.bytes[group + 8 + 8 * (word % 8) + wireByte] = 0xaa;
      memory.writeMasked(64, length, message);
      const expected = new Uint8Array(SIZE).fill(OLD);
      expected[64 + only] = 0xaa;
      expect(bytes, `byte ${only}`).toEqual(expected);
    }
  });

  it('computes with numbers of the natural lane and leaves the neighbours alone', () => {
    for (const { sizeLog2, address } of places([0, 1, 2, 3])) {
      const { bytes, memory } = memoryOf(order);
      const length = 2 ** sizeLog2;
      const message = putFull(address, sizeLog2, order);
      const number = Array.from({ length }, (_, i) => BigInt(0xa0 + i) << BigInt(8 * i));
      expect(memory.operand(message, length)).toBe(number.reduce((sum, each) => sum + each));
      memory.storeNumber(
        address,
        length,
        0x0807_0605_0403_0201n & ((1n << BigInt(8 * length)) - 1n),
      );
      const expected = new Uint8Array(SIZE).fill(OLD);
      for (let i = 0; i < length; i++) expected[address + i] = i + 1;
      expect(bytes).toEqual(expected);
    }
  });
});
