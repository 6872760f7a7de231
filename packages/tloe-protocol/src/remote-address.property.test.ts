import fc from 'fast-check';
import { expect, it } from 'vitest';

import { addressPlus } from './remote-address.ts';

it('adds as 64-bit numbers do', () => {
  const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  const nearTop = fc.integer({ min: 2 ** 32 - 2 ** 21, max: 2 ** 32 - 1 });
  fc.assert(
    fc.property(fc.oneof(word, nearTop), word, fc.maxSafeNat(), (high, low, offset) => {
      const expected = (BigInt(high) << 32n) + BigInt(low) + BigInt(offset);
      const sum = addressPlus({ high, low }, offset);
      if (expected >= 2n ** 64n) {
        expect(sum).toBeUndefined();
      } else {
        expect(sum).toEqual({
          high: Number(expected >> 32n),
          low: Number(expected & 0xffffffffn),
        });
      }
    }),
    { numRuns: 2000 },
  );
});
