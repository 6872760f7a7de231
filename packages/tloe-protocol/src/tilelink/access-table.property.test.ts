import fc from 'fast-check';
import { expect, it } from 'vitest';

import { AccessKind, AccessTable, type Access } from './access-table.ts';

const step = fc.oneof(
  fc.record({ kind: fc.constant('begin' as const) }),
  fc.record({ kind: fc.constantFrom('end' as const, 'sendAgain' as const), which: fc.nat(100) }),
);

it('keeps sources unique while in flight and reuses slots oldest first', () => {
  const capacities = fc.constantFrom(1, 2, 8, 16);
  const firstSources = fc.oneof(fc.constant(2 ** 32 - 3), fc.nat(2 ** 26));
  fc.assert(
    fc.property(
      capacities,
      firstSources,
      fc.array(step, { maxLength: 200, size: 'max' }),
      (capacity, firstSource, steps) => {
        const table = new AccessTable(capacity, firstSource);
        const free = [...table.accesses];
        const inFlight: Access[] = [];
        const past: number[] = [];
        for (const each of steps) {
          const one = each.kind === 'begin' ? undefined : inFlight[each.which % inFlight.length];
          if (each.kind === 'begin') {
            const access = table.take();
            expect(access, 'the one that was free longest').toBe(free.shift());
            if (access === undefined) continue;
            access.kind = AccessKind.put;
            table.renewSource(access);
            inFlight.push(access);
          } else if (one !== undefined) {
            past.push(one.source);
            if (each.kind === 'sendAgain') table.renewSource(one);
            else {
              table.give(one);
              inFlight.splice(inFlight.indexOf(one), 1);
              free.push(one);
            }
          }
          expect(new Set(inFlight.map(({ source }) => source)).size).toBe(inFlight.length);
          expect(inFlight.every((access) => table.find(access.source) === access)).toBe(true);
          expect(past.filter((source) => table.find(source) !== undefined)).toEqual([]);
          expect(table.inFlight).toBe(inFlight.length);
        }
      },
    ),
    { numRuns: 200 },
  );
});
