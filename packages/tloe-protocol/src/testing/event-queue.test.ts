import { describe, expect, it } from 'vitest';

import { EventQueue } from './event-queue.ts';

function drain<T>(queue: EventQueue<T>): T[] {
  const values: T[] = [];
  for (let event = queue.pop(); event !== undefined; event = queue.pop()) values.push(event.value);
  return values;
}

describe('EventQueue', () => {
  it('gives events by time, and those of one time in the order in which they came', () => {
    const queue = new EventQueue<string>();
    for (const [at, value] of [
      [5, 'c'],
      [1, 'a'],
      [5, 'd'],
      [3, 'b'],
      [5, 'e'],
    ] as const) {
      queue.push(at, value);
    }
    expect(queue.nextAt).toBe(1);
    expect(drain(queue).join('')).toBe('abcde');
  });

  it('has no next time when it is empty', () => {
    const queue = new EventQueue<string>();
    expect([queue.nextAt, queue.size, queue.pop()]).toEqual([Infinity, 0, undefined]);
  });

  it('removes an event once, and not after it was taken', () => {
    const queue = new EventQueue<string>();
    const a = queue.push(1, 'a');
    const b = queue.push(2, 'b');
    expect(queue.remove(b)).toBe(true);
    expect(queue.remove(b)).toBe(false);
    queue.pop();
    expect(queue.remove(a)).toBe(false);
    queue.push(3, 'c');
    expect(queue.remove(a)).toBe(false);
    expect(drain(queue)).toEqual(['c']);
  });
});
