import { describe, expect, it } from 'vitest';

import {
  CHANNEL_TABLE_SIZE,
  Channel,
  MESSAGE_FORMATS,
  dataFlits,
  headFlits,
  maskFlits,
  messageFlits,
  messageFormat,
} from './channel.ts';

const SIZES = Array.from({ length: 16 }, (_, sizeLog2) => sizeLog2);

/** Lengths in flits for 2^0 .. 2^15 bytes, counted by hand from OmniXtend 1.0.3 figures 10-16. */
const DATA = [1, 1, 1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];
const MASK = [1, 1, 1, 1, 1, 1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
const PUT_FULL = [3, 3, 3, 3, 4, 6, 10, 18, 34, 66, 130, 258, 514, 1026, 2050, 4098];
const PUT_PARTIAL = [4, 4, 4, 4, 5, 7, 11, 20, 38, 74, 146, 290, 578, 1154, 2306, 4610];
const ACCESS_ACK_DATA = [2, 2, 2, 2, 3, 5, 9, 17, 33, 65, 129, 257, 513, 1025, 2049, 4097];
const ONE = SIZES.map(() => 1);
const TWO = SIZES.map(() => 2);

/** Every pair of channel and opcode; undefined: there is no such message. */
const LENGTHS: Readonly<Record<keyof typeof Channel, readonly (readonly number[] | undefined)[]>> =
  {
    A: [PUT_FULL, PUT_PARTIAL, PUT_FULL, PUT_FULL, TWO, TWO, TWO, TWO],
    B: [PUT_FULL, PUT_PARTIAL, PUT_FULL, PUT_FULL, TWO, TWO, TWO, TWO],
    C: [TWO, PUT_FULL, TWO, undefined, TWO, PUT_FULL, TWO, PUT_FULL],
    D: [ONE, ACCESS_ACK_DATA, ONE, undefined, TWO, PUT_FULL, ONE, undefined],
    E: [ONE, ONE, ONE, ONE, ONE, ONE, ONE, ONE],
  };

describe('the length of a message', () => {
  it('counts data and mask words as the figures draw them', () => {
    expect(SIZES.map(dataFlits)).toEqual(DATA);
    expect(SIZES.map(maskFlits)).toEqual(MASK);
  });

  it.each(Object.entries(Channel))(
    'on channel %s is right for every opcode and size',
    (name, channel) => {
      const rows = LENGTHS[name as keyof typeof Channel];
      for (const [opcode, lengths] of rows.entries()) {
        const expected = lengths ?? SIZES.map(() => 0);
        expect(
          SIZES.map((size) => messageFlits(channel, opcode, size)),
          `opcode ${opcode}`,
        ).toEqual(expected);
      }
    },
  );

  it('is 0 for channels that do not exist', () => {
    for (const channel of [0, 6, 7]) {
      for (let opcode = 0; opcode < 8; opcode++) {
        for (const size of SIZES) expect(messageFlits(channel, opcode, size)).toBe(0);
        expect(messageFormat(channel, opcode)).toBeUndefined();
      }
    }
  });

  it('is head, mask and data of the format, for every pair that is defined', () => {
    for (let channel = 1; channel < CHANNEL_TABLE_SIZE; channel++) {
      for (let opcode = 0; opcode < 8; opcode++) {
        const format = MESSAGE_FORMATS[channel]?.[opcode];
        if (format === undefined) continue;
        for (const size of SIZES) {
          const mask = format.hasMask ? MASK[size]! : 0;
          const data = format.hasData ? DATA[size]! : 0;
          const sum = headFlits(channel, opcode) + mask + data;
          expect(messageFlits(channel, opcode, size)).toBe(sum);
        }
      }
    }
  });
});
