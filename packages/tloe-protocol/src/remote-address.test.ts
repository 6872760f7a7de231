import { describe, expect, it } from 'vitest';

import { ADDRESS_ZERO, addressPlus, compareAddresses } from './remote-address.ts';

const LAST = { high: 0xffffffff, low: 0xffffffff };

describe('addressPlus', () => {
  it('carries from the low half to the high one', () => {
    expect(addressPlus({ high: 1, low: 0xffffffff }, 1)).toEqual({ high: 2, low: 0 });
    expect(addressPlus({ high: 1, low: 0xfffffff0 }, 0x1_0000_0020)).toEqual({
      high: 3,
      low: 0x10,
    });
  });

  it('is exact for the largest offset', () => {
    expect(addressPlus({ high: 0x80000000, low: 0xffffffff }, Number.MAX_SAFE_INTEGER)).toEqual({
      high: 0x80200000,
      low: 0xfffffffe,
    });
  });

  it('reaches the last address and not the one behind it', () => {
    expect(addressPlus({ high: 0xffffffff, low: 0xfffffff0 }, 15)).toEqual(LAST);
    expect(addressPlus({ high: 0xffffffff, low: 0xfffffff0 }, 16)).toBeUndefined();
    expect(addressPlus(LAST, 0)).toEqual(LAST);
    expect(addressPlus(LAST, 1)).toBeUndefined();
  });

  it('refuses an offset that is no count of bytes', () => {
    expect(() => addressPlus(ADDRESS_ZERO, -1)).toThrow();
    expect(() => addressPlus(ADDRESS_ZERO, 2 ** 53)).toThrow();
  });
});

describe('compareAddresses', () => {
  it('orders by the high half first, as unsigned numbers', () => {
    const ordered = [
      ADDRESS_ZERO,
      { high: 0, low: 0xffffffff },
      { high: 1, low: 0 },
      { high: 0x7fffffff, low: 5 },
      { high: 0x80000000, low: 4 },
      LAST,
    ];
    for (const [i, a] of ordered.entries()) {
      for (const [j, b] of ordered.entries()) {
        expect(Math.sign(compareAddresses(a, b))).toBe(Math.sign(i - j));
      }
    }
  });
});
