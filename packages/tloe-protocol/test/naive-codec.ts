/**
 * A slow and obvious codec of whole frames, written from the bit tables of OmniXtend 1.0.3 §3 and
 * nothing else: whole words as BigInt, bits by their number, messages found by the frame mask. It
 * shares no code and no method with `src/wire`, which is what makes it a reference.
 */

/** A frame as values. */
export interface Frame {
  readonly header: FrameHeader;
  /** Flits between TLoE header and frame mask. */
  readonly flitCount: number;
  readonly messages: readonly Message[];
}

export interface FrameHeader {
  readonly vc: number;
  readonly frameType: number;
  readonly sequenceNumber: number;
  readonly sequenceNumberAck: number;
  readonly ack: number;
  readonly channel: number;
  readonly credit: number;
}

/** A message as values; what its format lacks is 0, false or empty. */
export interface Message {
  readonly flitIndex: number;
  readonly channel: number;
  readonly opcode: number;
  readonly param: number;
  readonly sizeLog2: number;
  readonly domain: number;
  readonly denied: boolean;
  readonly corrupt: boolean;
  readonly source: number;
  readonly sink: number;
  readonly address: bigint;
  /** Mask words in wire order. */
  readonly mask: readonly bigint[];
  /** Data words in wire order. */
  readonly data: readonly bigint[];
}

/** What follows the first word of each kind of message. Figure 10; TileLink 1.8.0 table 5.2. */
export const KINDS: readonly { name: string; channel: number; opcode: number; parts: string }[] = [
  { name: 'PutFullData', channel: 1, opcode: 0, parts: 'address data' },
  { name: 'PutPartialData', channel: 1, opcode: 1, parts: 'address mask data' },
  { name: 'ArithmeticData', channel: 1, opcode: 2, parts: 'address data' },
  { name: 'LogicalData', channel: 1, opcode: 3, parts: 'address data' },
  { name: 'Get', channel: 1, opcode: 4, parts: 'address' },
  { name: 'Intent', channel: 1, opcode: 5, parts: 'address' },
  { name: 'AcquireBlock', channel: 1, opcode: 6, parts: 'address' },
  { name: 'AcquirePerm', channel: 1, opcode: 7, parts: 'address' },
  { name: 'PutFullData', channel: 2, opcode: 0, parts: 'address data' },
  { name: 'PutPartialData', channel: 2, opcode: 1, parts: 'address mask data' },
  { name: 'ArithmeticData', channel: 2, opcode: 2, parts: 'address data' },
  { name: 'LogicalData', channel: 2, opcode: 3, parts: 'address data' },
  { name: 'Get', channel: 2, opcode: 4, parts: 'address' },
  { name: 'Intent', channel: 2, opcode: 5, parts: 'address' },
  { name: 'ProbeBlock', channel: 2, opcode: 6, parts: 'address' },
  { name: 'ProbePerm', channel: 2, opcode: 7, parts: 'address' },
  { name: 'AccessAck', channel: 3, opcode: 0, parts: 'address' },
  { name: 'AccessAckData', channel: 3, opcode: 1, parts: 'address data' },
  { name: 'HintAck', channel: 3, opcode: 2, parts: 'address' },
  { name: 'ProbeAck', channel: 3, opcode: 4, parts: 'address' },
  { name: 'ProbeAckData', channel: 3, opcode: 5, parts: 'address data' },
  { name: 'Release', channel: 3, opcode: 6, parts: 'address' },
  { name: 'ReleaseData', channel: 3, opcode: 7, parts: 'address data' },
  { name: 'AccessAck', channel: 4, opcode: 0, parts: '' },
  { name: 'AccessAckData', channel: 4, opcode: 1, parts: 'data' },
  { name: 'HintAck', channel: 4, opcode: 2, parts: '' },
  { name: 'Grant', channel: 4, opcode: 4, parts: 'sink' },
  { name: 'GrantData', channel: 4, opcode: 5, parts: 'sink data' },
  { name: 'ReleaseAck', channel: 4, opcode: 6, parts: '' },
  { name: 'GrantAck', channel: 5, opcode: 0, parts: 'own sink' },
];

const CHANNEL_E = 5;
const ACK_ONLY = 1;
const WORDS_PER_MASK = 8;

/** What follows the first word of a message, undefined if there is no such message. */
export function partsOf(channel: number, opcode: number): readonly string[] | undefined {
  const wanted = channel === CHANNEL_E ? 0 : opcode;
  const kind = KINDS.find((each) => each.channel === channel && each.opcode === wanted);
  return kind?.parts.split(' ');
}

/** Data words of 2^sizeLog2 bytes: at least one word. */
export function dataWordCount(sizeLog2: number): number {
  return Math.ceil(2 ** sizeLog2 / 8);
}

/** One mask bit for each data byte, at least one word. */
export function maskWordCount(sizeLog2: number): number {
  return Math.ceil(2 ** sizeLog2 / 64);
}

/** The words of a frame from the TLoE header to the frame mask, as bytes. */
export function encodeFrame(frame: Frame): Uint8Array {
  const flits = new Array<bigint>(frame.flitCount).fill(0n);
  let frameMask = 0n;
  for (const message of frame.messages) {
    frameMask |= 1n << BigInt(message.flitIndex);
    for (const [i, word] of encodeMessage(message).entries()) flits[message.flitIndex + i] = word;
  }
  return bytesOf([encodeHeader(frame.header), ...flits, frameMask]);
}

/** Words of the bytes from the TLoE header on; less than a word at the end is dropped. */
export function wordsOf(bytes: Uint8Array): bigint[] {
  const words: bigint[] = [];
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    let word = 0n;
    for (let i = 0; i < 8; i++) word = (word << 8n) | BigInt(bytes[at + i]!);
    words.push(word);
  }
  return words;
}

/** Words as bytes, most significant first. */
export function bytesOf(words: readonly bigint[]): Uint8Array {
  const bytes = words.flatMap((word) =>
    Array.from({ length: 8 }, (_, i) => Number((word >> BigInt(56 - 8 * i)) & 0xffn)),
  );
  return Uint8Array.from(bytes);
}

/** Either the frame or what is wrong with it. */
export type Decoded = { readonly frame: Frame } | { readonly fault: string };

/**
 * Decodes the bytes from the TLoE header on. The messages are where the frame mask says; everything
 * else must be zero.
 *
 * @param isStrict  refuse what encoding would not produce: reserved bits that are set
 */
export function decodeFrame(bytes: Uint8Array, isStrict = false): Decoded {
  const words = wordsOf(bytes);
  if (words.length < 2) return { fault: 'no room for header and mask' };
  const header = decodeHeader(words[0]!);
  if (header.frameType > 3) return { fault: 'unknown frame type' };
  if (isStrict && encodeHeader(header) !== words[0])
    return { fault: 'reserved bits of the header' };
  const flits = words.slice(1, -1);
  if (header.frameType === ACK_ONLY) {
    return { frame: { header, flitCount: flits.length, messages: [] } };
  }
  const messages: Message[] = [];
  const isTaken = flits.map(() => false);
  for (let flitIndex = 0; flitIndex < 64; flitIndex++) {
    if (bits(words.at(-1)!, flitIndex, flitIndex) === 0) continue;
    const message = decodeMessage(flits, flitIndex);
    if (typeof message === 'string') return { fault: message };
    const again = encodeMessage(message);
    for (const [i, word] of again.entries()) {
      if (isTaken[flitIndex + i] === true) return { fault: 'two messages overlap' };
      isTaken[flitIndex + i] = true;
      if (isStrict && word !== flits[flitIndex + i]) return { fault: 'reserved bits of a message' };
    }
    messages.push(message);
  }
  if (flits.some((word, i) => isTaken[i] === false && word !== 0n)) {
    return { fault: 'a word outside messages is not zero' };
  }
  return { frame: { header, flitCount: flits.length, messages } };
}

/** Bits `from` down to `to` of a word. */
function bits(word: bigint, from: number, to: number): number {
  return Number((word >> BigInt(to)) & ((1n << BigInt(from - to + 1)) - 1n));
}

/** `value` placed with its lowest bit at `to`. */
function at(to: number, value: number): bigint {
  return BigInt(value) << BigInt(to);
}

/** Figure 9; bits 60:57 as in the 1.1 proposal. */
function encodeHeader(header: FrameHeader): bigint {
  return (
    at(61, header.vc) |
    at(57, header.frameType) |
    at(32, header.sequenceNumber) |
    at(10, header.sequenceNumberAck) |
    at(9, header.ack) |
    at(5, header.channel) |
    at(0, header.credit)
  );
}

/** The values of a TLoE header word. */
export function decodeHeader(word: bigint): FrameHeader {
  return {
    vc: bits(word, 63, 61),
    frameType: bits(word, 60, 57),
    sequenceNumber: bits(word, 53, 32),
    sequenceNumberAck: bits(word, 31, 10),
    ack: bits(word, 9, 9),
    channel: bits(word, 7, 5),
    credit: bits(word, 4, 0),
  };
}

/** Figures 11-15: first word, address or sink, then mask and data in turn. */
function encodeMessage(message: Message): bigint[] {
  const parts = partsOf(message.channel, message.opcode) ?? [];
  if (parts.includes('own')) return [at(60, message.channel) | at(0, message.sink)];
  const words = [
    at(60, message.channel) |
      at(57, message.opcode) |
      at(52, message.param) |
      at(48, message.sizeLog2) |
      at(40, message.domain) |
      at(39, message.denied ? 1 : 0) |
      at(38, message.corrupt ? 1 : 0) |
      at(0, message.source),
  ];
  if (parts.includes('address')) words.push(message.address);
  if (parts.includes('sink')) words.push(at(0, message.sink));
  for (const [i, word] of message.data.entries()) {
    if (parts.includes('mask') && i % WORDS_PER_MASK === 0) {
      words.push(message.mask[i / WORDS_PER_MASK]!);
    }
    words.push(word);
  }
  return words;
}

function decodeMessage(flits: readonly bigint[], flitIndex: number): Message | string {
  const rest = flits.slice(flitIndex);
  const take = (): bigint | undefined => rest.shift();
  const head = take();
  if (head === undefined) return 'the mask points behind the frame';
  const channel = bits(head, 62, 60);
  const parts = partsOf(channel, bits(head, 59, 57));
  if (parts === undefined) return 'no such message';
  const isOwn = parts.includes('own');
  const field = (from: number, to: number): number => (isOwn ? 0 : bits(head, from, to));
  const sizeLog2 = field(51, 48);
  const address = parts.includes('address') ? take() : 0n;
  const sinkWord = parts.includes('sink') && !isOwn ? take() : head;
  const mask: (bigint | undefined)[] = [];
  const data: (bigint | undefined)[] = [];
  const dataCount = parts.includes('data') ? dataWordCount(sizeLog2) : 0;
  for (let i = 0; i < dataCount; i++) {
    if (parts.includes('mask') && i % WORDS_PER_MASK === 0) mask.push(take());
    data.push(take());
  }
  if ([address, sinkWord, ...mask, ...data].includes(undefined)) return 'longer than the frame';
  return {
    flitIndex,
    channel,
    opcode: field(59, 57),
    param: field(55, 52),
    sizeLog2,
    domain: field(47, 40),
    denied: field(39, 39) === 1,
    corrupt: field(38, 38) === 1,
    source: field(25, 0),
    sink: parts.includes('sink') ? bits(sinkWord!, 25, 0) : 0,
    address: address!,
    mask: mask as bigint[],
    data: data as bigint[],
  };
}
