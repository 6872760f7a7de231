import fc from 'fast-check';

import { Prng } from '../src/testing/prng.ts';
import {
  KINDS,
  dataWordCount,
  maskWordCount,
  partsOf,
  type Frame,
  type FrameHeader,
  type Message,
} from './naive-codec.ts';
import { flitsOf } from './wire-codec.ts';

/** What fast-check draws frames, messages and damage from. */

/** The last flit, counted from 0, in which a message may start. */
const LAST_START = 63;

const identifier = fc.oneof(fc.constantFrom(0, 1, 2 ** 26 - 1), fc.nat(2 ** 26 - 1));
const sequence = fc.oneof(fc.constantFrom(0, 1, 2 ** 22 - 1), fc.nat(2 ** 22 - 1));
const word = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

/** Any TLoE header of a frame whose body counts: not AckOnly. */
export const headers: fc.Arbitrary<FrameHeader> = fc.record({
  vc: fc.nat(7),
  frameType: fc.constantFrom(0, 2, 3),
  sequenceNumber: sequence,
  sequenceNumberAck: sequence,
  ack: fc.nat(1),
  channel: fc.nat(7),
  credit: fc.nat(31),
});

/** Any message, all fields within their width, of 2^0 to 2^`maxSizeLog2` bytes. */
export function messages(maxSizeLog2: number): fc.Arbitrary<Message> {
  const drawn = fc.record({
    kind: fc.constantFrom(...KINDS),
    param: fc.nat(15),
    sizeLog2: fc.nat(maxSizeLog2),
    domain: fc.nat(255),
    denied: fc.boolean(),
    corrupt: fc.boolean(),
    source: identifier,
    sink: identifier,
    address: word,
    seed: fc.nat(),
  });
  return drawn.map(({ kind, seed, ...fields }) =>
    completeMessage({ flitIndex: 0, ...kind, ...fields }, seed),
  );
}

/** Empties the fields that the kind of message lacks, and fills mask and data from a seed. */
export function completeMessage(given: Omit<Message, 'mask' | 'data'>, seed: number): Message {
  const { flitIndex, channel, opcode } = given;
  const parts = partsOf(channel, opcode) ?? [];
  const prng = new Prng(seed);
  const words = (count: number): bigint[] =>
    Array.from(
      { length: count },
      () => (BigInt(prng.nextUint32()) << 32n) | BigInt(prng.nextUint32()),
    );
  const mask = parts.includes('mask') ? words(maskWordCount(given.sizeLog2)) : [];
  const data = parts.includes('data') ? words(dataWordCount(given.sizeLog2)) : [];
  const sink = parts.includes('sink') ? given.sink : 0;
  if (parts.includes('own')) return { ...EMPTY_MESSAGE, flitIndex, channel, sink };
  return {
    flitIndex,
    channel,
    opcode,
    param: given.param,
    sizeLog2: given.sizeLog2,
    domain: given.domain,
    denied: given.denied,
    corrupt: given.corrupt,
    source: given.source,
    sink,
    address: parts.includes('address') ? given.address : 0n,
    mask,
    data,
  };
}

const EMPTY_MESSAGE: Message = {
  flitIndex: 0,
  channel: 0,
  opcode: 0,
  param: 0,
  sizeLog2: 0,
  domain: 0,
  denied: false,
  corrupt: false,
  source: 0,
  sink: 0,
  address: 0n,
  mask: [],
  data: [],
};

/** One message and the padding flits before it. */
interface Part {
  readonly padding: number;
  readonly message: Message;
}

function parts(maxSizeLog2: number, maxLength: number, maxPadding: number): fc.Arbitrary<Part[]> {
  const padding = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(maxPadding));
  const part = fc.record({ padding, message: messages(maxSizeLog2) });
  return fc.array(part, { maxLength, size: 'max' });
}

/** Puts parts one behind the other, as far as they may start. */
function place(header: FrameHeader, list: readonly Part[], trailing: number): Frame {
  const placed: Message[] = [];
  let flit = 0;
  for (const { padding, message } of list) {
    const flitIndex = flit + padding;
    if (flitIndex > LAST_START) break;
    placed.push({ ...message, flitIndex });
    flit = flitIndex + flitsOf(message);
  }
  return { header, flitCount: flit + trailing, messages: placed };
}

function framesOf(maxPadding: number): fc.Arbitrary<Frame> {
  const drawn = fc.oneof(
    // A few of any size; many small ones, which reach the last place where one may start; none.
    parts(12, 6, maxPadding),
    parts(4, 64, maxPadding),
    fc.constant([]),
  );
  const trailing = fc.oneof(fc.constant(0), fc.nat(5), fc.nat(80));
  return fc.tuple(headers, drawn, trailing).map(([header, list, n]) => place(header, list, n));
}

/** Any frame: messages of all kinds and sizes up to 4 KiB, with padding between and behind them. */
export const frames: fc.Arbitrary<Frame> = framesOf(3);

/** Frames without padding between messages, the ones that `FrameWriter` makes. */
export const packedFrames: fc.Arbitrary<Frame> = framesOf(0);

/** What can happen to bytes on their way. */
export type Damage =
  | { readonly kind: 'flip'; readonly bit: number }
  | { readonly kind: 'word'; readonly at: number; readonly value: bigint }
  | { readonly kind: 'cut'; readonly bytes: number }
  | { readonly kind: 'grow'; readonly bytes: number };

/** First words of messages, defined or not, with or without reserved bits. */
const heads: fc.Arbitrary<bigint> = fc
  .tuple(fc.nat(7), fc.nat(7), fc.nat(6), fc.constantFrom(0n, 1n << 56n, 1n << 63n, 1n))
  .map(
    ([channel, opcode, sizeLog2, extra]) =>
      (BigInt(channel) << 60n) | (BigInt(opcode) << 57n) | (BigInt(sizeLog2) << 48n) | extra,
  );

const position = fc.nat(2 ** 31 - 1);

/** A few things that happen to a frame; positions count modulo its length. */
export const damages: fc.Arbitrary<Damage[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('flip' as const), bit: position }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('word' as const),
        at: position,
        value: fc.oneof(fc.constant(0n), heads, word),
      }),
    },
    fc.record({ kind: fc.constant('cut' as const), bytes: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ kind: fc.constant('grow' as const), bytes: fc.integer({ min: 1, max: 40 }) }),
  ),
  { maxLength: 4 },
);

/** The bytes after all of it. */
export function damaged(bytes: Uint8Array, list: readonly Damage[]): Uint8Array {
  let result = bytes.slice();
  for (const damage of list) {
    if (damage.kind === 'cut') result = result.slice(0, Math.max(0, result.length - damage.bytes));
    else if (damage.kind === 'grow') {
      result = Uint8Array.from([...result, ...new Uint8Array(damage.bytes)]);
    } else if (result.length < 8) continue;
    else if (damage.kind === 'flip') flipBit(result, damage.bit % (result.length * 8));
    else {
      const at = (damage.at % (result.length >> 3)) * 8;
      new DataView(result.buffer).setBigUint64(at, damage.value);
    }
  }
  return result;
}

/** Inverts one bit; bit 0 is the most significant one of the first byte. */
export function flipBit(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3]! ^= 0x80 >> (bit & 7);
}
