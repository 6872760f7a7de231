import { describe, expect, it } from 'vitest';

import { ByteRegion } from '../byte-region.ts';
import { FRAME_OVERHEAD_BYTES, FrameWriter, MINIMUM_FLITS, flitsOfMtu } from './frame-writer.ts';

const FLITS_OFFSET = 22;

function writerOf(
  maxFlits: number,
  limits: { maxMessages?: number; minimumFlits?: number } = {},
): FrameWriter {
  const region = ByteRegion.allocate(FRAME_OVERHEAD_BYTES + 8 * maxFlits + 8);
  region.bytes.fill(0xee);
  const writer = new FrameWriter(region, { maxFlits, maxMessages: 64, ...limits });
  writer.begin(0);
  return writer;
}

/** The last word of a finished frame. */
function maskOf(writer: FrameWriter, lengthBytes: number): bigint {
  return writer.region.view.getBigUint64(lengthBytes - 8);
}

describe('room', () => {
  it('in an MTU is what header and mask leave, in whole flits', () => {
    expect(flitsOfMtu(1500)).toBe(185);
    expect(flitsOfMtu(9000)).toBe(1123);
    expect(flitsOfMtu(528)).toBe(64);
    expect(flitsOfMtu(56)).toBe(MINIMUM_FLITS);
    expect(flitsOfMtu(63)).toBe(MINIMUM_FLITS);
  });

  it('ends with the flits of the frame', () => {
    const writer = writerOf(10);
    expect(writer.fits(11)).toBe(false);
    expect(writer.fits(10)).toBe(true);
    writer.reserve(8);
    expect(writer.fits(3)).toBe(false);
    expect(writer.fits(2)).toBe(true);
  });

  it('ends with the messages of the frame', () => {
    const writer = writerOf(10, { maxMessages: 2 });
    writer.reserve(1);
    writer.reserve(1);
    expect(writer.messageCount).toBe(2);
    expect(writer.fits(1)).toBe(false);
  });

  it('ends where no message may start: flit 64 is the last, counted from 1', () => {
    const writer = writerOf(1000);
    writer.reserve(63);
    expect(writer.fits(500)).toBe(true);
    writer.reserve(1);
    expect(writer.fits(1)).toBe(false);
    const long = writerOf(1000);
    long.reserve(64);
    expect(long.fits(1)).toBe(false);
  });

  it('is asserted: asking for more is a programmer error', () => {
    const writer = writerOf(5);
    expect(() => writer.reserve(6)).toThrow('the message fits');
    expect(() => new FrameWriter(writer.region, { maxFlits: 4, maxMessages: 64 })).toThrow();
  });
});

describe('a frame', () => {
  it('is padded with zeros to the minimum and not further', () => {
    for (let flits = 0; flits <= 8; flits++) {
      const writer = writerOf(8);
      if (flits > 0) writer.region.bytes.fill(0x11, writer.reserve(flits), 22 + 8 * flits);
      const lengthBytes = writer.finish();
      const total = Math.max(flits, MINIMUM_FLITS);
      expect(lengthBytes).toBe(FRAME_OVERHEAD_BYTES + 8 * total);
      const body = writer.region.bytes.slice(FLITS_OFFSET, FLITS_OFFSET + 8 * total);
      expect(body.every((byte, i) => byte === (i < 8 * flits ? 0x11 : 0))).toBe(true);
      const behind = writer.region.bytes.slice(lengthBytes);
      expect(behind.every((byte) => byte === 0xee)).toBe(true);
    }
  });

  it('is 70 bytes at least by default and 62 on request', () => {
    expect(writerOf(8).finish()).toBe(70);
    expect(writerOf(8, { minimumFlits: 4 }).finish()).toBe(62);
  });

  it('marks each start at its bit, in both halves of the mask', () => {
    for (let first = 1; first < 64; first++) {
      const writer = writerOf(64);
      expect(writer.reserve(first)).toBe(FLITS_OFFSET);
      expect(writer.reserve(1)).toBe(FLITS_OFFSET + 8 * first);
      expect(maskOf(writer, writer.finish())).toBe(1n | (1n << BigInt(first)));
    }
  });

  it('of 64 messages has every bit of the mask', () => {
    const writer = writerOf(64);
    for (let i = 0; i < 64; i++) writer.reserve(1);
    expect(maskOf(writer, writer.finish())).toBe(2n ** 64n - 1n);
  });

  it('leaves nothing behind for the next one', () => {
    const writer = writerOf(64);
    for (let i = 0; i < 64; i++) writer.reserve(1);
    writer.finish();
    writer.begin(8);
    expect(writer.messageCount).toBe(0);
    expect(writer.reserve(2)).toBe(8 + FLITS_OFFSET);
    expect(writer.finish()).toBe(70);
    expect(writer.region.view.getBigUint64(8 + 70 - 8)).toBe(1n);
  });
});
