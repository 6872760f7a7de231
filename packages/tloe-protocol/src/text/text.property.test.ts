import fc from 'fast-check';
import { expect, it } from 'vitest';

import {
  formatAddress,
  formatDuration,
  formatMac,
  formatProbability,
  formatSize,
  parseAddress,
  parseDuration,
  parseInteger,
  parseMac,
  parseProbability,
  parseSize,
} from './index.ts';

const RUNS = { numRuns: 1000 };
const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const count = fc.oneof(
  fc.maxSafeNat(),
  // Multiples of the units, which chance alone does not find.
  fc
    .tuple(fc.nat(8191), fc.constantFrom(1, 2 ** 10, 2 ** 20, 2 ** 30, 2 ** 40))
    .map(([n, u]) => n * u),
  fc.tuple(fc.nat(100_000), fc.constantFrom(1, 1e3, 1e6, 6e7)).map(([n, u]) => n * u),
);

it('reads back every size that it prints', () => {
  fc.assert(
    fc.property(count, (bytes) => {
      expect(parseSize(formatSize(bytes))).toBe(bytes);
      expect(parseSize(formatSize(bytes).toLowerCase())).toBe(bytes);
    }),
    RUNS,
  );
});

it('reads back every duration that it prints', () => {
  fc.assert(
    fc.property(count, (micros) => {
      expect(parseDuration(formatDuration(micros))).toBe(micros);
    }),
    RUNS,
  );
});

it('reads back every address that it prints, and agrees with BigInt', () => {
  fc.assert(
    fc.property(word, word, (high, low) => {
      const text = formatAddress({ high, low });
      expect(parseAddress(text)).toEqual({ high, low });
      expect(parseAddress(text.slice(2))).toEqual({ high, low });
      expect(BigInt(text)).toBe((BigInt(high) << 32n) | BigInt(low));
    }),
    RUNS,
  );
});

it('reads back every MAC address that it prints', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (mac) => {
      expect(parseMac(formatMac(mac))).toEqual(mac);
      expect(parseMac(formatMac(mac).replaceAll(':', '-').toUpperCase())).toEqual(mac);
    }),
    RUNS,
  );
});

it('reads back every probability that it prints', () => {
  const perMille = fc.nat(1000).map((n) => n / 1000);
  const any = fc.double({ min: 0, max: 1, noNaN: true }).filter((p) => !Object.is(p, -0));
  fc.assert(
    fc.property(fc.oneof(perMille, any), (probability) => {
      expect(parseProbability(formatProbability(probability))).toBe(probability);
    }),
    RUNS,
  );
});

it('gives a number within its range or undefined for any text, and never throws', () => {
  const likely = fc.stringMatching(/^[-+ 0-9a-fxKMGTiBmus%.:e]{0,24}$/);
  fc.assert(
    fc.property(fc.oneof(fc.string(), likely), (text) => {
      for (const value of [parseSize(text), parseDuration(text)]) {
        expect(value === undefined || (Number.isSafeInteger(value) && value >= 0)).toBe(true);
      }
      const probability = parseProbability(text) ?? 0;
      expect(probability >= 0 && probability <= 1).toBe(true);
      expect(parseMac(text)?.length ?? 6).toBe(6);
      const { high, low } = parseAddress(text) ?? { high: 0, low: 0 };
      expect(high >>> 0).toBe(high);
      expect(low >>> 0).toBe(low);
      const integer = parseInteger(text, { min: -7, max: 7 }) ?? 0;
      expect(Math.abs(integer) <= 7).toBe(true);
    }),
    { numRuns: 5000 },
  );
});
