import fc from 'fast-check';
import { expect, it } from 'vitest';

import { CreditAccount, CreditDebt } from './credits.ts';

const CHANNELS = [1, 2, 3, 4, 5] as const;
const GRANT_EXPONENT = 7;

/** What can happen between a sender and a receiver of messages. */
const step = fc.oneof(
  fc.record({
    kind: fc.constant('send' as const),
    channel: fc.constantFrom(...CHANNELS),
    flits: fc.integer({ min: 1, max: 130 }),
  }),
  fc.record({ kind: fc.constantFrom('receive' as const, 'consume' as const) }),
  fc.record({ kind: fc.constant('return' as const) }),
  fc.record({ kind: fc.constant('hear' as const) }),
);

it('conserves credits: of every channel granted = available + on the way + held + owed', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const account = new CreditAccount();
      const debt = new CreditDebt([0, ...CHANNELS.map(() => GRANT_EXPONENT)]);
      for (const channel of CHANNELS) account.grant(channel, GRANT_EXPONENT);
      /** Messages on the wire, messages in the receive buffer, credits on the wire. */
      const onWire: { channel: number; flits: number }[] = [];
      const held: { channel: number; flits: number }[] = [];
      const credits: { channel: number; exponent: number }[] = [];
      const flitsOn = (list: { channel: number; flits: number }[], channel: number): number =>
        list.reduce((sum, each) => sum + (each.channel === channel ? each.flits : 0), 0);

      for (const each of steps) {
        if (each.kind === 'send' && account.available[each.channel]! >= each.flits) {
          account.spend(each.channel, each.flits);
          onWire.push(each);
        } else if (each.kind === 'receive' && onWire.length > 0) held.push(onWire.shift()!);
        else if (each.kind === 'consume' && held.length > 0) {
          const { channel, flits } = held.pop()!;
          debt.add(channel, flits);
        } else if (each.kind === 'return' && debt.largest() !== 0) {
          const channel = debt.largest();
          credits.push({ channel, exponent: debt.take(channel) });
        } else if (each.kind === 'hear' && credits.length > 0) {
          const { channel, exponent } = credits.shift()!;
          account.grant(channel, exponent);
        }
        for (const channel of CHANNELS) {
          const returning = credits
            .filter((credit) => credit.channel === channel)
            .reduce((sum, credit) => sum + 2 ** credit.exponent, 0);
          const available = account.available[channel]!;
          const inBuffer = flitsOn(onWire, channel) + flitsOn(held, channel);
          expect(available).toBeGreaterThanOrEqual(0);
          expect(available + inBuffer + debt.owed[channel]! + returning).toBe(2 ** GRANT_EXPONENT);
        }
      }
    }),
    { numRuns: 300 },
  );
});

it('pays back any debt exactly, in falling powers of two', () => {
  fc.assert(
    fc.property(fc.constantFrom(...CHANNELS), fc.nat(2 ** 31 - 1), (channel, owed) => {
      const debt = new CreditDebt([0, 15, 15, 15, 15, 15]);
      debt.add(channel, owed);
      let paid = 0;
      let last = 32;
      while (debt.largest() !== 0) {
        const exponent = debt.take(channel);
        expect(exponent).toBeLessThan(last);
        last = exponent;
        paid += 2 ** exponent;
      }
      expect(paid).toBe(owed);
    }),
    { numRuns: 500 },
  );
});
