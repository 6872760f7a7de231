import { expect, it } from 'vitest';

import { maskBitOfWireByte, wireByteOfLane } from './data-order.ts';

const LANES = [0, 1, 2, 3, 4, 5, 6, 7];

it('raw: a byte of memory travels where it lies', () => {
  expect(LANES.map((lane) => wireByteOfLane(lane, false))).toEqual(LANES);
});

it('spec: the byte at the lowest address travels last', () => {
  expect(LANES.map((lane) => wireByteOfLane(lane, true))).toEqual([7, 6, 5, 4, 3, 2, 1, 0]);
});

it('spec: mask bit b enables lane b', () => {
  for (const lane of LANES) expect(maskBitOfWireByte(wireByteOfLane(lane, true))).toBe(1 << lane);
});

it('raw: a mask bit enables the same wire byte, which is another lane', () => {
  const bits = LANES.map((lane) => maskBitOfWireByte(wireByteOfLane(lane, false)));
  expect(bits).toEqual([0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01]);
});

it('figure 26: mask FFFC leaves out the two bytes at the lowest addresses', () => {
  const enabled = LANES.filter(
    (lane) => (0xfc & maskBitOfWireByte(wireByteOfLane(lane, true))) !== 0,
  );
  expect(enabled).toEqual([2, 3, 4, 5, 6, 7]);
});
