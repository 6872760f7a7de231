import { describe, expect, it } from 'vitest';

import { BOGUS_ACK, RetransmitBuffer, SLOT_LEAD_BYTES, STALE_ACK } from './retransmit-buffer.ts';
import { NOTHING_RECEIVED, SEQUENCE_SPACE } from './sequence-number.ts';

const LAST = SEQUENCE_SPACE - 1;

/** A buffer of eight slots with `count` frames, of which `sent` were handed to the transport. */
function bufferOf(first: number, count: number, sent = count): RetransmitBuffer {
  const buffer = new RetransmitBuffer(8, 80, first);
  for (let i = 0; i < count; i++) buffer.seal(70 + i, true);
  for (let i = 0; i < sent; i++) buffer.advance(1_000 + i);
  return buffer;
}

describe('in the beginning', () => {
  it('nothing is outstanding and the last acknowledged number is the one before the first', () => {
    const buffer = bufferOf(0, 0);
    expect(buffer.acked).toBe(NOTHING_RECEIVED);
    expect(buffer.outstanding()).toBe(0);
    expect(buffer.inFlight()).toBe(0);
    expect(buffer.toSend()).toBe(0);
  });

  it('an acknowledgement of nothing (0x3FFFFF) frees nothing and is not an error', () => {
    expect(bufferOf(0, 0).acknowledge(NOTHING_RECEIVED)).toBe(0);
    const buffer = bufferOf(0, 3);
    expect(buffer.acknowledge(NOTHING_RECEIVED)).toBe(0);
    expect(buffer.outstanding()).toBe(3);
  });

  it('an acknowledgement of frame 0, which was never sent, is bogus', () => {
    expect(bufferOf(0, 0).acknowledge(0)).toBe(BOGUS_ACK);
    expect(bufferOf(0, 1, 0).acknowledge(0), 'numbered, not yet sent').toBe(BOGUS_ACK);
  });
});

describe.each([0, 5, LAST - 2, LAST])('frames from number %i on', (first) => {
  const number = (steps: number): number => (first + steps + SEQUENCE_SPACE) % SEQUENCE_SPACE;

  it('are freed by an acknowledgement up to its number', () => {
    const buffer = bufferOf(first, 6);
    expect(buffer.acknowledge(number(3))).toBe(4);
    expect(buffer.acked).toBe(number(3));
    expect(buffer.outstanding()).toBe(2);
    expect(buffer.needing).toBe(2);
    expect(buffer.acknowledge(number(5))).toBe(2);
    expect(buffer.outstanding()).toBe(0);
    expect(buffer.needing).toBe(0);
  });

  it('are not touched by an acknowledgement that is old, repeated or of the future', () => {
    const buffer = bufferOf(first, 6, 4);
    buffer.acknowledge(number(2));
    expect(buffer.acknowledge(number(2)), 'repeated').toBe(0);
    expect(buffer.acknowledge(number(1)), 'old').toBe(STALE_ACK);
    expect(buffer.acknowledge(number(-1)), 'older').toBe(STALE_ACK);
    expect(buffer.acknowledge(number(4)), 'numbered, not sent').toBe(BOGUS_ACK);
    expect(buffer.acknowledge(number(6)), 'never numbered').toBe(BOGUS_ACK);
    expect(buffer.acked).toBe(number(2));
    expect(buffer.outstanding()).toBe(3);
  });

  it('are told apart as old and future at half the space', () => {
    const half = SEQUENCE_SPACE / 2;
    const buffer = bufferOf(first, 2);
    buffer.acknowledge(number(1));
    expect(buffer.acknowledge(number(1 + half - 1))).toBe(BOGUS_ACK);
    expect(buffer.acknowledge(number(1 + half))).toBe(BOGUS_ACK);
    expect(buffer.acknowledge(number(1 + half + 1))).toBe(STALE_ACK);
  });

  it('are sent again from the first that is not acknowledged', () => {
    const buffer = bufferOf(first, 4);
    buffer.acknowledge(number(1));
    expect(buffer.toSend()).toBe(0);
    buffer.rewind();
    expect(buffer.cursor).toBe(number(2));
    expect(buffer.toSend()).toBe(2);
    expect(buffer.advance(9_000)).toBe(true);
    expect(buffer.transmissions(number(2))).toBe(2);
    expect(buffer.sentAt(number(2)), 'first time').toBe(1_002);
    expect(buffer.unsent).toBe(number(4));
  });

  it('leave nothing to resend when the NAK is for the last one', () => {
    const buffer = bufferOf(first, 4);
    expect(buffer.acknowledge(number(3))).toBe(4);
    buffer.rewind();
    expect(buffer.toSend()).toBe(0);
    expect(buffer.cursor).toBe(number(4));
  });

  it('that were freed while they wait to be resent are not resent', () => {
    const buffer = bufferOf(first, 6);
    buffer.rewind();
    buffer.advance(2_000);
    buffer.acknowledge(number(3));
    expect(buffer.cursor).toBe(number(4));
    expect(buffer.toSend()).toBe(2);
  });

  it('are repaired from the first that is not acknowledged, while the cursor stays', () => {
    const buffer = bufferOf(first, 6);
    buffer.acknowledge(number(1));
    expect(buffer.queueRepair(2)).toBe(number(3));
    expect(buffer.toRepair()).toBe(2);
    buffer.advanceRepair(9_000);
    expect(buffer.transmissions(number(2))).toBe(2);
    expect([buffer.sentAt(number(2)), buffer.lastSentAt(number(2))]).toEqual([1_002, 9_000]);
    expect([buffer.toRepair(), buffer.toSend()]).toEqual([1, 0]);
    buffer.acknowledge(number(3));
    expect(buffer.toRepair()).toBe(0);
  });

  it('are not repaired from the cursor on: they are sent again anyway', () => {
    const buffer = bufferOf(first, 6);
    buffer.rewind();
    buffer.advance(2_000);
    buffer.queueRepair(5);
    expect(buffer.toRepair()).toBe(1);
  });

  it('that are new follow behind those that are resent', () => {
    const buffer = bufferOf(first, 3);
    buffer.rewind();
    buffer.seal(99, true);
    const resent = Array.from({ length: 4 }, () => buffer.advance(5_000));
    expect(resent).toEqual([true, true, true, false]);
    expect(buffer.length(number(3))).toBe(99);
  });

  it('are as many as there are slots', () => {
    const buffer = bufferOf(first, 8);
    expect(buffer.hasRoom()).toBe(false);
    expect(() => buffer.seal(70, true)).toThrow('the window has room');
    buffer.acknowledge(number(0));
    expect(buffer.hasRoom()).toBe(true);
  });

  it('keep their slots until they are acknowledged, then the slot serves another', () => {
    const buffer = bufferOf(first, 8);
    const offsets = Array.from({ length: 8 }, (_, i) => buffer.frameOffset(number(i)));
    expect(new Set(offsets).size).toBe(8);
    expect(buffer.frameOffset(number(8))).toBe(offsets[0]);
  });

  it('without need of an acknowledgement do not count as needing one', () => {
    const buffer = bufferOf(first, 1);
    buffer.seal(70, false);
    buffer.advance(1);
    expect(buffer.outstanding()).toBe(2);
    expect(buffer.needing).toBe(1);
    buffer.acknowledge(number(1));
    expect(buffer.needing).toBe(0);
  });

  it('are forgotten by a reset', () => {
    const buffer = bufferOf(first, 5);
    buffer.reset(first);
    expect(buffer).toMatchObject({ acked: number(-1), next: first, cursor: first, needing: 0 });
    expect(buffer.toSend()).toBe(0);
    buffer.seal(70, true);
    expect(buffer.transmissions(first)).toBe(0);
  });
});

describe('slots', () => {
  it('put what follows the MAC header on an 8-byte boundary', () => {
    const buffer = bufferOf(0, 0);
    for (let number = -1; number < 8; number++) {
      expect((buffer.frameOffset(number) + 14) % 8).toBe(0);
      expect(buffer.frameOffset(number) % buffer.slotBytes).toBe(SLOT_LEAD_BYTES);
    }
  });

  it('are inside the region, the one for AckOnly included', () => {
    const buffer = bufferOf(0, 0);
    expect(buffer.frameOffset(-1)).toBe(8 * 80 + SLOT_LEAD_BYTES);
    expect(buffer.region.bytes.length).toBe(9 * 80);
  });

  it('count transmissions up to 255 and no further', () => {
    const buffer = bufferOf(0, 1);
    for (let i = 0; i < 300; i++) {
      buffer.rewind();
      buffer.advance(i);
    }
    expect(buffer.transmissions(0)).toBe(255);
  });

  it('are a power of two and fewer than half of the numbers', () => {
    expect(() => new RetransmitBuffer(6, 80, 0)).toThrow('power of two');
    expect(() => new RetransmitBuffer(SEQUENCE_SPACE / 2, 8, 0)).toThrow('power of two');
    expect(() => new RetransmitBuffer(8, 84, 0)).toThrow('aligned');
  });
});
