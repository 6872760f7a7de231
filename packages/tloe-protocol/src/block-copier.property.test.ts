import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BlockCopier } from './block-copier.ts';
import { ByteRegion } from './byte-region.ts';
import { Prng } from './testing/prng.ts';

const SIZE = 16 * 1024;

function noise(seed: number): ByteRegion {
  const region = ByteRegion.allocate(SIZE);
  new Prng(seed).fillBytes(region.bytes);
  return region;
}

it('copies what a plain loop copies, between any places of any regions, in any order', () => {
  const place = fc.record({
    from: fc.nat(SIZE / 2),
    to: fc.nat(SIZE / 2),
    length: fc.nat(SIZE / 2),
    source: fc.nat(2),
  });
  fc.assert(
    fc.property(fc.array(place, { maxLength: 30 }), (copies) => {
      const copier = new BlockCopier();
      const sources = [noise(1), noise(2), noise(3)];
      const target = ByteRegion.allocate(SIZE);
      const expected = new Uint8Array(SIZE);
      for (const { from, to, length, source } of copies) {
        const region = sources[source] as ByteRegion;
        copier.copy(target, to, region, from, length);
        for (let i = 0; i < length; i++) expected[to + i] = region.bytes[from + i] as number;
      }
      expect(Buffer.compare(target.bytes, expected)).toBe(0);
    }),
  );
});

it('sees what was written to the source after an earlier copy from the same place', () => {
  const copier = new BlockCopier();
  const source = noise(4);
  const target = ByteRegion.allocate(SIZE);
  copier.copy(target, 0, source, 1024, 1024);
  source.bytes.fill(7, 1024, 2048);
  copier.copy(target, 0, source, 1024, 1024);
  expect(target.bytes.subarray(0, 1024).every((byte) => byte === 7)).toBe(true);
});
