import fc from 'fast-check';
import { expect, it } from 'vitest';

import { BOGUS_ACK, RetransmitBuffer, STALE_ACK } from './retransmit-buffer.ts';
import { SEQUENCE_SPACE } from './sequence-number.ts';

const CAPACITY = 8;

const step = fc.oneof(
  fc.record({ kind: fc.constant('seal' as const), needsAck: fc.boolean() }),
  fc.record({ kind: fc.constantFrom('advance' as const, 'rewind' as const) }),
  fc.record({ kind: fc.constant('queueRepair' as const), count: fc.nat(CAPACITY + 2) }),
  fc.record({ kind: fc.constant('advanceRepair' as const) }),
  // Steps from the last number that was handed over; mostly valid ones.
  fc.record({
    kind: fc.constant('acknowledge' as const),
    back: fc.oneof(fc.nat(CAPACITY), fc.integer({ min: -20, max: 20 })),
  }),
);

/** The same by counting without modulus and keeping every frame in a list. */
class Model {
  readonly frames: { needsAck: boolean; sent: number }[] = [];
  acked = 0;
  cursor = 0;
  unsent = 0;
  /** Frames to be sent again first: from `repair` on, before `repairEnd`. */
  repair = 0;
  repairEnd = 0;
}

it('keeps the frames that are not acknowledged, like a list that never wraps', () => {
  const starts = fc.constantFrom(0, 3, SEQUENCE_SPACE - 1, SEQUENCE_SPACE - 10);
  fc.assert(
    fc.property(starts, fc.array(step, { maxLength: 120 }), (first, steps) => {
      const buffer = new RetransmitBuffer(CAPACITY, 80, first);
      const model = new Model();
      const number = (index: number): number =>
        (((first + index) % SEQUENCE_SPACE) + SEQUENCE_SPACE) % SEQUENCE_SPACE;
      for (const each of steps) {
        if (each.kind === 'seal' && buffer.hasRoom()) {
          buffer.seal(70, each.needsAck);
          model.frames.push({ needsAck: each.needsAck, sent: 0 });
        } else if (each.kind === 'advance' && buffer.toSend() > 0) {
          const wasSent = buffer.advance(0);
          expect(wasSent).toBe(model.frames[model.cursor]!.sent++ > 0);
          model.cursor++;
          model.unsent = Math.max(model.unsent, model.cursor);
        } else if (each.kind === 'rewind') {
          buffer.rewind();
          model.cursor = model.acked;
          model.repairEnd = 0;
        } else if (each.kind === 'queueRepair') {
          model.repair = model.acked;
          model.repairEnd = Math.min(model.acked + each.count, model.cursor);
          expect(buffer.queueRepair(each.count)).toBe(number(model.repairEnd - 1));
        } else if (each.kind === 'advanceRepair' && buffer.toRepair() > 0) {
          expect(buffer.repair).toBe(number(model.repair));
          buffer.advanceRepair(0);
          model.frames[model.repair++]!.sent++;
        } else if (each.kind === 'acknowledge') {
          const upTo = model.unsent - each.back;
          const freed = buffer.acknowledge(number(upTo - 1));
          if (upTo > model.unsent) expect(freed).toBe(BOGUS_ACK);
          else if (upTo < model.acked) expect(freed).toBe(STALE_ACK);
          else {
            expect(freed).toBe(upTo - model.acked);
            model.acked = upTo;
            model.cursor = Math.max(model.cursor, upTo);
            model.repair = Math.max(model.repair, upTo);
          }
        }
        const waiting = model.frames.slice(model.acked);
        expect(buffer.outstanding()).toBe(waiting.length);
        expect(buffer.hasRoom()).toBe(waiting.length < CAPACITY);
        expect(buffer.inFlight()).toBe(model.unsent - model.acked);
        expect(buffer.toSend()).toBe(model.frames.length - model.cursor);
        expect(buffer.toRepair()).toBe(Math.max(0, model.repairEnd - model.repair));
        expect(buffer.needing).toBe(waiting.filter(({ needsAck }) => needsAck).length);
        expect(buffer.cursor).toBe(number(model.cursor));
        expect(buffer.acked).toBe(number(model.acked - 1));
      }
    }),
    { numRuns: 500 },
  );
});
