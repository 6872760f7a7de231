import { describe, expect, it } from 'vitest';

import { ByteRegion } from '../byte-region.ts';
import { Channel, OpcodeA, OpcodeD } from './channel.ts';
import { MessageFields, readMessageHead, writeMessageHead } from './tilelink-message.ts';

function fieldsOf(given: Partial<MessageFields>): MessageFields {
  return Object.assign(new MessageFields(), given);
}

/** The words that a head takes, out of memory that held something else. */
function wordsOf(given: Partial<MessageFields>): bigint[] {
  const region = ByteRegion.allocate(24);
  region.bytes.fill(0xff);
  const end = writeMessageHead(region.view, 0, fieldsOf(given));
  expect(region.view.getBigUint64(16)).toBe(2n ** 64n - 1n);
  return Array.from({ length: end / 8 }, (_, i) => region.view.getBigUint64(8 * i));
}

describe('a message head puts', () => {
  const base = { channel: Channel.A, opcode: OpcodeA.get };

  it.each([
    ['channel and opcode', { ...base }, 0x1800_0000_0000_0000n],
    ['param in bits 55:52', { ...base, param: 15 }, 0x18f0_0000_0000_0000n],
    ['size in bits 51:48', { ...base, sizeLog2: 15 }, 0x180f_0000_0000_0000n],
    ['domain in bits 47:40', { ...base, domain: 255 }, 0x1800_ff00_0000_0000n],
    ['denied in bit 39', { ...base, denied: true }, 0x1800_0080_0000_0000n],
    ['corrupt in bit 38', { ...base, corrupt: true }, 0x1800_0040_0000_0000n],
    ['source in bits 25:0', { ...base, source: 2 ** 26 - 1 }, 0x1800_0000_03ff_ffffn],
  ])('%s', (_, given, first) => {
    expect(wordsOf(given)).toEqual([first, 0n]);
  });

  it('the whole address into the second word, bit 63 included', () => {
    const given = { ...base, addressHigh: 0x8123_4567, addressLow: 0xfedc_ba98 };
    expect(wordsOf(given)[1]).toBe(0x8123_4567_fedc_ba98n);
  });

  it('the sink of a Grant into the second word, and nothing of the address', () => {
    const given = {
      channel: Channel.D,
      opcode: OpcodeD.grant,
      sink: 2 ** 26 - 1,
      addressHigh: 1,
      addressLow: 2,
    };
    expect(wordsOf(given)).toEqual([0x4800_0000_0000_0000n, 0x0000_0000_03ff_ffffn]);
  });

  it('only channel and sink into a GrantAck', () => {
    const given = { channel: Channel.E, opcode: 7, param: 15, sizeLog2: 15, source: 9, sink: 5 };
    expect(wordsOf({ ...given, denied: true })).toEqual([0x5000_0000_0000_0005n]);
  });
});

it('reading a head fills every field, so that nothing of another message stays', () => {
  const region = ByteRegion.allocate(16);
  const full = new MessageFields();
  writeMessageHead(
    region.view,
    0,
    fieldsOf({ channel: Channel.A, opcode: 0, param: 1, addressHigh: 2, addressLow: 3, source: 4 }),
  );
  readMessageHead(region.view, 0, full);
  region.bytes.fill(0);
  region.view.setBigUint64(0, 0x5000_0000_0000_0005n);
  readMessageHead(region.view, 0, full);
  expect(full).toEqual(fieldsOf({ channel: Channel.E, sink: 5 }));
});
