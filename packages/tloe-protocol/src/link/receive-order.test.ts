import { describe, expect, it } from 'vitest';

import { ReceiveOrder } from './receive-order.ts';
import { HALF_SEQUENCE_SPACE, SEQUENCE_SPACE } from './sequence-number.ts';

const LAST = SEQUENCE_SPACE - 1;

describe('the order of received frames', () => {
  it('begins with nothing received: the acknowledgement is 0x3FFFFF', () => {
    expect(new ReceiveOrder(0).lastInOrder).toBe(0x3fffff);
  });

  it.each([0, 1, HALF_SEQUENCE_SPACE, LAST])('tells by distance from %i what a frame is', (at) => {
    const order = new ReceiveOrder(at);
    const behind = (steps: number): number => (at - steps + SEQUENCE_SPACE) % SEQUENCE_SPACE;
    expect(order.classify(at)).toBe('expected');
    expect(order.classify(behind(1))).toBe('duplicate');
    expect(order.classify(behind(HALF_SEQUENCE_SPACE - 1))).toBe('duplicate');
    expect(order.classify(behind(HALF_SEQUENCE_SPACE))).toBe('duplicate');
    expect(order.classify(behind(HALF_SEQUENCE_SPACE + 1))).toBe('ahead');
    expect(order.classify(behind(-1))).toBe('ahead');
    expect(order.expected).toBe(at);
  });

  it('goes on over the wrap', () => {
    const order = new ReceiveOrder(LAST - 1);
    const seen: number[] = [];
    for (let i = 0; i < 4; i++) {
      order.accept();
      seen.push(order.lastInOrder);
    }
    expect(seen).toEqual([LAST - 1, LAST, 0, 1]);
    expect(order.classify(2)).toBe('expected');
    expect(order.classify(LAST)).toBe('duplicate');
  });

  it('counts the numbers that it gives up, over the wrap as well', () => {
    const order = new ReceiveOrder(LAST);
    expect(order.skipTo(0, LAST)).toBe(0);
    expect(order.skipTo(0, 2)).toBe(3);
    expect(order.expected).toBe(2);
    expect(order.classify(1)).toBe('duplicate');
  });
});
