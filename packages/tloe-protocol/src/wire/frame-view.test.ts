import { beforeEach, describe, expect, it } from 'vitest';

import { ByteRegion } from '../byte-region.ts';
import { Channel, OpcodeA, OpcodeD } from './channel.ts';
import { ETHERNET_HEADER_BYTES } from './ethernet.ts';
import { FrameView, MessageView } from './frame-view.ts';
import { REJECT_REASON_NAMES } from './reject-reason.ts';
import { packAcknowledgement, packHeaderHigh } from './tloe-header.ts';

/** First words of messages, by hand: channel, opcode and size are all that a walk looks at. */
const GET = 0x1800_0000_0000_0000n;
const ACCESS_ACK = 0x4000_0000_0000_0000n;
const GRANT_ACK = 0x5000_0000_0000_0000n;
const GRANT = 0x4800_0000_0000_0000n;
const ZERO = 0n;

/** A word that starts a message. */
function head(channel: number, opcode: number, sizeLog2 = 0): bigint {
  return (BigInt(channel) << 60n) | (BigInt(opcode) << 57n) | (BigInt(sizeLog2) << 48n);
}

/** A frame of these flits, with mask bits set for these flits (counted from 0). */
function frameOf(flits: readonly bigint[], starts: readonly number[]): ByteRegion {
  const mask = starts.reduce((bits, flit) => bits | (1n << BigInt(flit)), 0n);
  return regionOf([0x0000_0007_0000_0200n, ...flits, mask]);
}

/** A MAC header of zeros and words, in memory that ends with them. */
function regionOf(words: readonly bigint[]): ByteRegion {
  const region = ByteRegion.allocate(ETHERNET_HEADER_BYTES + 8 * words.length);
  for (const [i, word] of words.entries()) {
    region.view.setBigUint64(ETHERNET_HEADER_BYTES + 8 * i, word);
  }
  return region;
}

/** `count` words of padding. */
function padding(count: number): bigint[] {
  return new Array<bigint>(count).fill(ZERO);
}

let view: FrameView;

beforeEach(() => {
  view = new FrameView();
});

function verdict(region: ByteRegion, on: FrameView = view): string | undefined {
  return REJECT_REASON_NAMES[on.load(region, 0, region.bytes.length)];
}

function startsFound(): number[] {
  const message = new MessageView();
  return Array.from({ length: view.messageCount }, (_, i) => {
    view.message(i, message);
    return message.flitIndex;
  });
}

describe('length', () => {
  it('of less than header and mask is too short, whatever it is', () => {
    for (let length = 0; length < ETHERNET_HEADER_BYTES + 16; length++) {
      const region = ByteRegion.allocate(length);
      expect(verdict(region), `${length} bytes`).toBe('tooShort');
    }
  });

  it('of header and mask alone is a frame without flits', () => {
    expect(verdict(frameOf([], []))).toBe('none');
    expect(view.flitCount).toBe(0);
    expect(view.messageCount).toBe(0);
    expect(view.sequenceNumber).toBe(7);
  });

  it('ends with the frame mask, found from the end and not by the messages', () => {
    const region = frameOf([GET, ZERO, ...padding(40)], [0]);
    expect(verdict(region)).toBe('none');
    expect(view.flitCount).toBe(42);
    region.view.setBigUint64(region.bytes.length - 8, 3n);
    expect(verdict(region)).toBe('maskMismatch');
  });
});

describe('where messages may start (flits counted from 1, as the specification does)', () => {
  it('flit 64 is the last', () => {
    expect(verdict(frameOf([...padding(63), ACCESS_ACK], [63]))).toBe('none');
    expect(startsFound()).toEqual([63]);
  });

  it('flit 65 is too late, also if the frame goes on', () => {
    expect(verdict(frameOf([...padding(64), ACCESS_ACK], []))).toBe('startTooLate');
    expect(verdict(frameOf([...padding(64), ACCESS_ACK, ...padding(9)], []))).toBe('startTooLate');
  });

  it('a message that ends in flit 63 may be followed by one at flit 64', () => {
    const flits = [...padding(61), GET, ZERO, ACCESS_ACK];
    expect(verdict(frameOf(flits, [61, 63]))).toBe('none');
    expect(startsFound()).toEqual([61, 63]);
  });

  it('a message that ends in flit 64 is the last; padding may follow', () => {
    const flits = [...padding(62), GET, ZERO];
    expect(verdict(frameOf(flits, [62]))).toBe('none');
    expect(verdict(frameOf([...flits, ZERO, ZERO], [62]))).toBe('none');
    expect(verdict(frameOf([...flits, ACCESS_ACK], [62]))).toBe('startTooLate');
  });

  it('a message that starts at flit 64 may reach as far behind as it likes', () => {
    const long = [head(Channel.D, OpcodeD.accessAckData, 12), ...padding(512)];
    expect(verdict(frameOf([...padding(63), ...long], [63]))).toBe('none');
    const message = new MessageView();
    view.message(0, message);
    expect(message.flitCount).toBe(513);
    expect(message.bodyOffset).toBe(ETHERNET_HEADER_BYTES + 8 + 64 * 8);
  });

  it('a frame holds 64 messages of one flit', () => {
    const starts = Array.from({ length: 64 }, (_, i) => i);
    expect(verdict(frameOf(new Array<bigint>(64).fill(GRANT_ACK), starts))).toBe('none');
    expect(startsFound()).toEqual(starts);
  });
});

describe('a message that does not fit', () => {
  it('is rejected if any of its flits is missing', () => {
    const put = [head(Channel.A, OpcodeA.putFullData, 6), ...padding(9)];
    expect(verdict(frameOf(put, [0]))).toBe('none');
    for (let flits = 1; flits < put.length; flits++) {
      expect(verdict(frameOf(put.slice(0, flits), [0])), `${flits} flits`).toBe('messageTruncated');
    }
  });

  it('is rejected for every size that is larger than the frame', () => {
    for (let sizeLog2 = 5; sizeLog2 < 16; sizeLog2++) {
      const word = head(Channel.A, OpcodeA.putPartialData, sizeLog2);
      expect(verdict(frameOf([word, ...padding(5)], [0]))).toBe('messageTruncated');
    }
  });
});

describe('what is not a message', () => {
  it('channels 6 and 7 are rejected with every opcode', () => {
    for (const channel of [6, 7]) {
      for (let opcode = 0; opcode < 8; opcode++) {
        const region = frameOf([head(channel, opcode), ...padding(4)], [0]);
        expect(verdict(region)).toBe('unknownMessage');
      }
    }
  });

  it('reserved opcodes are rejected: 3 on C, 3 and 7 on D', () => {
    for (const [channel, opcode] of [
      [Channel.C, 3],
      [Channel.D, 3],
      [Channel.D, 7],
    ] as const) {
      expect(verdict(frameOf([head(channel, opcode), ...padding(4)], [0]))).toBe('unknownMessage');
    }
  });

  it('padding that is not zero in any bit outside the channel field is rejected', () => {
    for (let bit = 0n; bit < 64n; bit++) {
      if (bit >= 60n && bit <= 62n) continue;
      const region = frameOf([GET, ZERO, 1n << bit, ZERO], [0]);
      expect(verdict(region), `bit ${bit}`).toBe('paddingNotZero');
    }
  });

  it('channel E has no opcode: whatever stands there is a GrantAck', () => {
    const message = new MessageView();
    for (let opcode = 0; opcode < 8; opcode++) {
      const region = frameOf([head(Channel.E, opcode, 15) | 77n, ...padding(4)], [0]);
      expect(verdict(region)).toBe('none');
      view.message(0, message);
      expect(message).toMatchObject({ channel: 5, opcode: 0, sizeLog2: 0, flitCount: 1, sink: 77 });
    }
  });
});

describe('the frame mask', () => {
  const flits = [GET, ZERO, ZERO, ACCESS_ACK, GRANT_ACK];

  it('must mark exactly the first words of messages', () => {
    expect(verdict(frameOf(flits, [0, 3, 4]))).toBe('none');
    for (const starts of [[], [0], [0, 3], [3, 4], [0, 1, 3, 4], [0, 2, 3, 4], [0, 3, 4, 5]]) {
      expect(verdict(frameOf(flits, starts)), String(starts)).toBe('maskMismatch');
    }
  });

  it('may not mark anything behind the frame', () => {
    for (let bit = 5; bit < 64; bit++) {
      expect(verdict(frameOf(flits, [0, 3, 4, bit])), `bit ${bit}`).toBe('maskMismatch');
    }
  });
});

describe('frame types', () => {
  it('above Close are rejected, with the header readable', () => {
    for (let frameType = 0; frameType < 16; frameType++) {
      const region = frameOf(padding(5), []);
      region.view.setUint32(ETHERNET_HEADER_BYTES, packHeaderHigh(frameType, 0x3ffffe));
      expect(verdict(region)).toBe(frameType <= 3 ? 'none' : 'unknownFrameType');
      expect(view.frameType).toBe(frameType);
      expect(view.sequenceNumber).toBe(0x3ffffe);
    }
  });

  it('AckOnly has no messages; its body is not looked at', () => {
    const region = frameOf([~ZERO & 0xffff_ffff_ffff_ffffn, GET, 1n, 2n, 3n], [0, 1, 2, 63]);
    region.view.setUint32(ETHERNET_HEADER_BYTES, packHeaderHigh(1, 5));
    region.view.setUint32(ETHERNET_HEADER_BYTES + 4, packAcknowledgement(4, 0));
    expect(verdict(region)).toBe('none');
    expect(view).toMatchObject({ sequenceNumber: 5, sequenceNumberAck: 4, ack: 0 });
    expect(view.messageCount).toBe(0);
  });
});

describe('strict mode', () => {
  const strict = new FrameView(true);
  const flits = [GET, ZERO, GRANT, 5n, GRANT_ACK];
  const starts = [0, 2, 4];
  /** Reserved bits by word of the frame (0 is the TLoE header). OmniXtend 1.0.3 figures 9-14. */
  const reserved: readonly { name: string; word: number; bits: readonly [number, number][] }[] = [
    {
      name: 'TLoE header',
      word: 0,
      bits: [
        [56, 54],
        [8, 8],
      ],
    },
    {
      name: 'Get',
      word: 1,
      bits: [
        [63, 63],
        [56, 56],
        [37, 26],
      ],
    },
    {
      name: 'Grant',
      word: 3,
      bits: [
        [63, 63],
        [56, 56],
        [37, 26],
      ],
    },
    { name: 'sink of a Grant', word: 4, bits: [[63, 26]] },
    {
      name: 'GrantAck',
      word: 5,
      bits: [
        [63, 63],
        [59, 26],
      ],
    },
  ];

  it('takes a frame whose reserved bits are zero', () => {
    expect(verdict(frameOf(flits, starts), strict)).toBe('none');
  });

  it.each(reserved)('rejects each reserved bit of: $name', ({ word, bits }) => {
    for (const [from, to] of bits) {
      for (let bit = to; bit <= from; bit++) {
        const region = frameOf(flits, starts);
        const at = ETHERNET_HEADER_BYTES + 8 * word;
        region.view.setBigUint64(at, region.view.getBigUint64(at) | (1n << BigInt(bit)));
        expect(verdict(region, strict), `bit ${bit}`).toBe('reservedBits');
        expect(verdict(region), `bit ${bit}, not strict`).toBe('none');
      }
    }
  });

  it('does not take the bits of fields for reserved ones', () => {
    const full = [0x1eff_ffc0_03ff_ffffn, ~ZERO & 0xffff_ffff_ffff_ffffn];
    expect(verdict(frameOf([...full, ACCESS_ACK | 0x00ff_ffc0_03ff_ffffn], [0, 2]), strict)).toBe(
      'none',
    );
  });
});

describe('one view for many frames', () => {
  it('keeps nothing of the frame before', () => {
    verdict(frameOf([GET, ZERO, ACCESS_ACK], [0, 2]));
    expect(view.messageCount).toBe(2);
    expect(verdict(frameOf(padding(5), []))).toBe('none');
    expect(view.messageCount).toBe(0);
    expect(verdict(frameOf([ZERO, ACCESS_ACK], [1]))).toBe('none');
    expect(startsFound()).toEqual([1]);
  });

  it('reads a frame anywhere in a region', () => {
    const region = ByteRegion.allocate(300);
    region.bytes.fill(0xff);
    const frame = frameOf([GET, ZERO, ACCESS_ACK | 9n], [0, 2]);
    for (const offset of [0, 1, 2, 101]) {
      region.bytes.set(frame.bytes, offset);
      expect(REJECT_REASON_NAMES[view.load(region, offset, frame.bytes.length)]).toBe('none');
      const message = new MessageView();
      view.message(1, message);
      expect(message.source).toBe(9);
      expect(message.region).toBe(region);
      expect(message.bodyOffset).toBe(offset + ETHERNET_HEADER_BYTES + 8 + 3 * 8);
    }
  });
});
