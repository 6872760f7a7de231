import { beforeEach, describe, expect, it } from 'vitest';
import { ByteRegion } from '../byte-region.ts';
import { FrameView } from '../wire/frame-view.ts';
import { packAcknowledgement, packHeaderHigh } from '../wire/tloe-header.ts';
import { HoldBuffer } from './hold-buffer.ts';

const FRAME_BYTES = 70;

let held: HoldBuffer;
beforeEach(() => {
  held = new HoldBuffer(8, FRAME_BYTES);
});

/** A view of an empty frame with this number; `ack` tells two with the same number apart. */
function frame(number: number, ack = 0): FrameView {
  const region = ByteRegion.allocate(80);
  region.view.setUint32(2 + 14, packHeaderHigh(0, number));
  region.view.setUint32(2 + 18, packAcknowledgement(ack, 1));
  const view = new FrameView();
  view.load(region, 2, FRAME_BYTES);
  region.bytes.fill(0xff, 72);
  return view;
}

function kept(number: number): FrameView | undefined {
  const view = new FrameView();
  return held.load(number, view) ? view : undefined;
}

describe('HoldBuffer', () => {
  it('keeps a copy of a frame until it is released', () => {
    const view = frame(12);
    held.keep(view, 10);
    view.region.bytes.fill(0xff);
    expect(kept(12)).toMatchObject({ sequenceNumber: 12, frameType: 0, messageCount: 0 });
    expect(held.count).toBe(1);
    held.release(12);
    held.release(12);
    expect([kept(12), held.count]).toEqual([undefined, 0]);
  });

  it('keeps the first of two with the same number', () => {
    held.keep(frame(12, 1), 10);
    held.keep(frame(12, 2), 10);
    expect(kept(12)?.sequenceNumberAck).toBe(1);
    expect(held.count).toBe(1);
  });

  it('keeps what is less than its capacity ahead, also across the wrap', () => {
    held.keep(frame(18), 10);
    expect(held.count).toBe(0);
    held.keep(frame(17), 10);
    expect(held.count).toBe(1);
    held.keep(frame(2), 2 ** 22 - 3);
    expect(kept(2)?.sequenceNumber).toBe(2);
  });

  it('does not keep what is longer than a frame can be', () => {
    const small = new HoldBuffer(8, 40);
    small.keep(frame(12), 10);
    expect(small.count).toBe(0);
  });

  it('finds the first that is kept, looking no farther than it keeps', () => {
    expect(held.firstKept(10, 15)).toBe(15);
    held.keep(frame(13), 10);
    expect(held.firstKept(10, 15)).toBe(13);
    expect(held.firstKept(10, 12)).toBe(12);
    expect(held.firstKept(10, 10 + 2 ** 20)).toBe(13);
    held.clear();
    expect(held.firstKept(10, 2 ** 20)).toBe(2 ** 20);
  });
});
