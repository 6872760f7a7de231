import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ByteRegion } from '../src/byte-region.ts';
import { ETHERNET_HEADER_BYTES, REJECT_REASON_NAMES, RejectReason } from '../src/wire/index.ts';
import {
  completeMessage,
  damaged,
  damages,
  flipBit,
  frames,
  headers,
  packedFrames,
} from './arbitraries.ts';
import {
  KINDS,
  bytesOf,
  decodeFrame,
  encodeFrame,
  wordsOf,
  type Frame,
  type FrameHeader,
} from './naive-codec.ts';
import {
  decodeBytes,
  decodeWithView,
  encodeWithWriter,
  flitsOf,
  withMacHeader,
  type ViewDecoded,
} from './wire-codec.ts';

const RUNS = { numRuns: 300 };
const ACK_ONLY = 1;

/** A frame of several kinds, with padding, small enough to try every bit of. */
const HEADER: FrameHeader = {
  vc: 0,
  frameType: 0,
  sequenceNumber: 0x2aaaaa,
  sequenceNumberAck: 0x155555,
  ack: 1,
  channel: 4,
  credit: 21,
};
const SMALL: Frame = {
  header: HEADER,
  flitCount: 16,
  messages: [
    { channel: 1, opcode: 4, flitIndex: 0, sizeLog2: 12 },
    { channel: 1, opcode: 1, flitIndex: 2, sizeLog2: 4 },
    { channel: 4, opcode: 5, flitIndex: 8, sizeLog2: 3 },
    { channel: 5, opcode: 0, flitIndex: 12, sizeLog2: 0 },
    { channel: 4, opcode: 0, flitIndex: 13, sizeLog2: 9 },
  ].map((given, seed) =>
    completeMessage(
      {
        ...given,
        param: 2,
        domain: 0x5a,
        denied: false,
        corrupt: true,
        source: 0x2aaaaaa,
        sink: 0x1555555,
        address: 0x8123_4567_89ab_cde0n,
      },
      seed,
    ),
  ),
};

/** What both codecs say about the bytes: the same frame, or both reject. */
function expectAgreement(bytes: Uint8Array, isStrict: boolean): ViewDecoded {
  const fast = decodeBytes(bytes, isStrict);
  const naive = decodeFrame(bytes, isStrict);
  if ('frame' in naive) expect(fast).toEqual({ reason: RejectReason.none, frame: naive.frame });
  else expect({ ...fast, naive }).not.toMatchObject({ reason: RejectReason.none });
  return fast;
}

describe('encoding and decoding', () => {
  it('gives back any frame of any mixture of messages, with padding anywhere', () => {
    fc.assert(
      fc.property(frames, (frame) => {
        const bytes = encodeFrame(frame);
        expect(bytes.length).toBe(8 * (frame.flitCount + 2));
        expect(decodeBytes(bytes, true)).toEqual({ reason: RejectReason.none, frame });
        expect(decodeFrame(bytes, true)).toEqual({ frame });
      }),
      RUNS,
    );
  });

  it('writes the same bytes as the reference', () => {
    fc.assert(
      fc.property(packedFrames, (frame) => {
        expect(encodeWithWriter(frame)).toEqual(encodeFrame(frame));
      }),
      RUNS,
    );
  });

  it('has the header of an AckOnly frame and no message, whatever its body holds', () => {
    const bodies = fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { maxLength: 20 });
    fc.assert(
      fc.property(headers, bodies, (given, body) => {
        const header = { ...given, frameType: ACK_ONLY };
        const bytes = encodeFrame({ header, flitCount: 0, messages: [] });
        const full = bytesOf([...wordsOf(bytes).slice(0, 1), ...body, 0n]);
        const { reason, frame } = decodeBytes(full, true);
        expect(reason).toBe(RejectReason.none);
        expect(frame).toEqual({ header, flitCount: body.length, messages: [] });
      }),
      RUNS,
    );
  });
});

describe('a message alone in its frame', () => {
  const sizes = Array.from({ length: 13 }, (_, sizeLog2) => sizeLog2);
  const cases = KINDS.flatMap((kind) => sizes.map((sizeLog2) => ({ ...kind, sizeLog2 })));

  it.each(cases)('channel $channel $name of 2^$sizeLog2 bytes', (kind) => {
    for (const shape of ['zeros', 'ones'] as const) {
      const all = shape === 'ones';
      const message = completeMessage(
        {
          flitIndex: 0,
          channel: kind.channel,
          opcode: kind.opcode,
          sizeLog2: kind.sizeLog2,
          param: all ? 15 : 0,
          domain: all ? 255 : 0,
          denied: all,
          corrupt: all,
          source: all ? 2 ** 26 - 1 : 0,
          sink: all ? 2 ** 26 - 1 : 0,
          address: all ? 2n ** 64n - 1n : 0n,
        },
        kind.sizeLog2,
      );
      const flitCount = Math.max(5, flitsOf(message));
      const frame: Frame = { header: HEADER, flitCount, messages: [message] };
      const bytes = encodeFrame(frame);
      expect(encodeWithWriter(frame)).toEqual(bytes);
      expect(decodeBytes(bytes, true)).toEqual({ reason: RejectReason.none, frame });
    }
  });
});

describe('bytes from anywhere', () => {
  it('are read as the reference reads them, or rejected by both', () => {
    let accepted = 0;
    let rejected = 0;
    fc.assert(
      fc.property(frames, damages, fc.boolean(), (frame, list, isStrict) => {
        const bytes = damaged(encodeFrame(frame), list);
        const { reason } = expectAgreement(bytes, isStrict);
        if (reason === RejectReason.none) accepted++;
        else rejected++;
      }),
      { numRuns: 1500 },
    );
    // Both outcomes must be common, or the property shows little.
    expect(accepted).toBeGreaterThan(200);
    expect(rejected).toBeGreaterThan(200);
  });

  it('are rejected, or a frame that encodes to the same bytes', () => {
    fc.assert(
      fc.property(frames, damages, (frame, list) => {
        const bytes = damaged(encodeFrame(frame), list);
        const decoded = decodeBytes(bytes, true).frame;
        if (decoded === undefined || decoded.header.frameType === ACK_ONLY) return;
        expect(encodeFrame(decoded)).toEqual(bytes.slice(0, bytes.length - (bytes.length % 8)));
      }),
      { numRuns: 1500 },
    );
  });

  it('of no meaning at all are never read as something else than the reference reads', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, isStrict) => {
        expectAgreement(bytes, isStrict);
      }),
      { numRuns: 1000 },
    );
  });

  it('lose reserved bits and nothing else when they are not read strictly', () => {
    fc.assert(
      fc.property(frames, damages, (frame, list) => {
        const bytes = damaged(encodeFrame(frame), list);
        const lenient = decodeBytes(bytes).frame;
        if (lenient === undefined || lenient.header.frameType === ACK_ONLY) return;
        const canonical = encodeFrame(lenient);
        expect(decodeBytes(canonical, true)).toEqual({ reason: RejectReason.none, frame: lenient });
        const isSubset = canonical.every((byte, i) => (byte & ~bytes[i]!) === 0);
        expect(isSubset, 'encoding sets no bit that was not there').toBe(true);
      }),
      { numRuns: 800 },
    );
  });
});

describe('damage of every kind to one frame', () => {
  const bytes = encodeFrame(SMALL);

  it('is of a frame that is right', () => {
    expect(decodeBytes(bytes, true)).toEqual({ reason: RejectReason.none, frame: SMALL });
  });

  it('at any single bit is seen as the reference sees it', () => {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const broken = bytes.slice();
      flipBit(broken, bit);
      const lenient = expectAgreement(broken, false);
      const strict = expectAgreement(broken, true);
      expect(strict.frame, `bit ${bit}`).not.toEqual(SMALL);
      if (strict.frame !== undefined) expect(lenient.frame).toEqual(strict.frame);
    }
  });

  it('by cutting it anywhere is seen as the reference sees it, without a read behind the end', () => {
    for (let length = 0; length < bytes.length; length++) {
      // The memory ends with the frame, so that a read behind it would throw.
      const { reason } = expectAgreement(bytes.slice(0, length), false);
      expect(REJECT_REASON_NAMES[reason], `${length} bytes`).not.toBe('none');
    }
    for (let length = 0; length < ETHERNET_HEADER_BYTES; length++) {
      const region = new ByteRegion(new Uint8Array(length));
      expect(decodeWithView(region, 0, length).reason).toBe(RejectReason.tooShort);
    }
  });

  it('by up to seven bytes behind its end does not matter', () => {
    for (let extra = 1; extra < 8; extra++) {
      const longer = Uint8Array.from([...bytes, ...new Uint8Array(extra).fill(0xff)]);
      expect(decodeBytes(longer, true).frame).toEqual(SMALL);
    }
  });

  it('by a mask that lies in any bit or pair of bits is rejected', () => {
    for (let first = 0; first < 64; first++) {
      for (let second = first; second < 64; second++) {
        const broken = bytes.slice();
        flipBit(broken, (bytes.length - 8) * 8 + first);
        if (second !== first) flipBit(broken, (bytes.length - 8) * 8 + second);
        const { reason } = expectAgreement(broken, false);
        expect(REJECT_REASON_NAMES[reason]).toBe('maskMismatch');
      }
    }
  });
});

describe('the memory around a frame', () => {
  it('is neither read nor does it change what is read', () => {
    const guards = fc.constantFrom(0x00, 0xff, 0x15, 0x42);
    fc.assert(
      fc.property(frames, damages, fc.nat(40), guards, (frame, list, lead, guard) => {
        const bytes = damaged(encodeFrame(frame), list);
        const alone = decodeBytes(bytes);
        const full = withMacHeader(bytes);
        const region = ByteRegion.allocate(lead + full.length + 64);
        region.bytes.fill(guard);
        region.bytes.set(full, lead);
        const before = region.bytes.slice();
        expect(decodeWithView(region, lead, full.length)).toEqual(alone);
        expect(region.bytes).toEqual(before);
      }),
      RUNS,
    );
  });

  it('is not written by the writer, and does not show in the frame', () => {
    fc.assert(
      fc.property(packedFrames, fc.nat(255), (frame, guard) => {
        // `encodeWithWriter` checks what lies around the frame.
        expect(encodeWithWriter(frame, guard)).toEqual(encodeFrame(frame));
      }),
      RUNS,
    );
  });
});
