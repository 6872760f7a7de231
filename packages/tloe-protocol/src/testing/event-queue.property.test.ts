import fc from 'fast-check';
import { expect, it } from 'vitest';

import { EventQueue, type QueuedEvent } from './event-queue.ts';

it('agrees with a sorted list under any pushes, pops and removals', () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('push' as const), at: fc.nat(30) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('pop' as const), at: fc.nat(0) }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('remove' as const), at: fc.nat(200) }),
    },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
      const queue = new EventQueue<number>();
      const all: QueuedEvent<number>[] = [];
      let model: QueuedEvent<number>[] = [];
      for (const { kind, at } of steps) {
        if (kind === 'push') {
          const event = queue.push(at, all.length);
          all.push(event);
          model = [...model, event].sort((a, b) => a.at - b.at || a.value - b.value);
        } else if (kind === 'pop') {
          expect(queue.pop()).toBe(model.shift());
        } else if (all.length > 0) {
          const event = all[at % all.length] as QueuedEvent<number>;
          expect(queue.remove(event)).toBe(model.includes(event));
          model = model.filter((other) => other !== event);
        }
        expect([queue.size, queue.nextAt]).toEqual([model.length, model[0]?.at ?? Infinity]);
      }
    }),
    { numRuns: 200 },
  );
});
