import fc from 'fast-check';
import { expect, it } from 'vitest';

import { MemoryOracle, type ReadTicket, type WriteTicket } from './memory-oracle.ts';

const SIZE = 6;

/** What one access did, by the order of begins and ends. */
interface PastWrite {
  readonly offset: number;
  readonly data: readonly number[];
  readonly begin: number;
  end: number;
  outcome: 'ok' | 'failed' | undefined;
}

/** The rule of the oracle word by word: a value counts unless a success replaced it for good. */
function slowAllowed(writes: readonly PastWrite[], at: number, began: number): Set<number> {
  const covers = (write: PastWrite): boolean =>
    at >= write.offset && at < write.offset + write.data.length;
  const initial: PastWrite = {
    offset: 0,
    data: new Array<number>(SIZE).fill(0),
    begin: -1,
    end: 0,
    outcome: 'ok',
  };
  const all = [initial, ...writes].filter(covers);
  const possible = all.filter(
    (write) =>
      !all.some((later) => later.outcome === 'ok' && later.begin > write.end && later.end < began),
  );
  return new Set(possible.map((write) => write.data[at - write.offset] as number));
}

const step = fc.oneof(
  fc.record({
    kind: fc.constant('beginWrite' as const),
    offset: fc.nat(SIZE - 1),
    length: fc.integer({ min: 1, max: SIZE }),
    value: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({
    kind: fc.constant('endWrite' as const),
    which: fc.nat(20),
    outcome: fc.constantFrom('ok' as const, 'failed' as const),
  }),
  fc.record({
    kind: fc.constantFrom('beginRead' as const, 'endRead' as const),
    which: fc.nat(20),
  }),
);

it('allows exactly what the definition allows, under any history of accesses', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const oracle = new MemoryOracle(SIZE);
      const history: PastWrite[] = [];
      const open: { ticket: WriteTicket; past: PastWrite }[] = [];
      const reads: { tickets: ReadTicket[]; at: number; began: number }[] = [];
      let time = 0;
      for (const action of steps) {
        time += 1;
        if (action.kind === 'beginWrite') {
          const length = Math.min(action.length, SIZE - action.offset);
          const data = Array.from({ length }, (_, i) => action.value * 10 + i);
          const { offset } = action;
          const past: PastWrite = { offset, data, begin: time, end: Infinity, outcome: undefined };
          history.push(past);
          open.push({ ticket: oracle.beginWrite(offset, Uint8Array.from(data)), past });
        } else if (action.kind === 'endWrite' && open.length > 0) {
          const [ended] = open.splice(action.which % open.length, 1);
          oracle.endWrite(ended!.ticket, action.outcome);
          Object.assign(ended!.past, { end: time, outcome: action.outcome });
        } else if (action.kind === 'beginRead') {
          const at = action.which % SIZE;
          const tickets = Array.from({ length: 100 }, () => oracle.beginRead(at, 1));
          reads.push({ tickets, at, began: time });
        } else if (action.kind === 'endRead' && reads.length > 0) {
          const [read] = reads.splice(action.which % reads.length, 1);
          const allowed = slowAllowed(history, read!.at, read!.began);
          read!.tickets.forEach((ticket, value) => {
            const isAllowed = oracle.endRead(ticket, Uint8Array.of(value)) === undefined;
            expect([value, isAllowed]).toEqual([value, allowed.has(value)]);
          });
        }
      }
    }),
    { numRuns: 300 },
  );
});
