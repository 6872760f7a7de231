/**
 * Channels, opcodes and formats of TileLink messages as TLoE carries them. TileLink 1.8.0 table 5.2
 * and §7-8; OmniXtend 1.0.3 §3.2, figures 10-16.
 */

/** TileLink channel numbers as in the first word of a message; 0 is padding. */
export const Channel = { A: 1, B: 2, C: 3, D: 4, E: 5 } as const;
export type Channel = (typeof Channel)[keyof typeof Channel];

/** Number of channels plus one: size of a table indexed by channel number. */
export const CHANNEL_TABLE_SIZE = 6;

/** Name of a channel number. */
export const CHANNEL_NAMES = ['-', 'A', 'B', 'C', 'D', 'E'] as const;

/** Opcodes of channel A; 0-5 also on channel B. */
export const OpcodeA = {
  putFullData: 0,
  putPartialData: 1,
  arithmeticData: 2,
  logicalData: 3,
  get: 4,
  intent: 5,
  acquireBlock: 6,
  acquirePerm: 7,
} as const;

/** What channel B has besides opcodes 0-5 of channel A. */
export const OpcodeB = { probeBlock: 6, probePerm: 7 } as const;

/** Opcodes of channel C. TileLink 1.8.0 table 5.2. */
export const OpcodeC = {
  accessAck: 0,
  accessAckData: 1,
  hintAck: 2,
  probeAck: 4,
  probeAckData: 5,
  release: 6,
  releaseData: 7,
} as const;

/** Opcodes of channel D. TileLink 1.8.0 table 5.2. */
export const OpcodeD = {
  accessAck: 0,
  accessAckData: 1,
  hintAck: 2,
  grant: 4,
  grantData: 5,
  releaseAck: 6,
} as const;

/** Shape of one kind of message. */
export interface MessageFormat {
  readonly name: string;
  readonly hasAddress: boolean;
  readonly hasSink: boolean;
  readonly hasData: boolean;
  readonly hasMask: boolean;
}

const addressed = { hasAddress: true, hasSink: false, hasData: false, hasMask: false };
const addressedData = { ...addressed, hasData: true };
const answer = { hasAddress: false, hasSink: false, hasData: false, hasMask: false };

const accesses: readonly MessageFormat[] = [
  { name: 'PutFullData', ...addressedData },
  { name: 'PutPartialData', ...addressedData, hasMask: true },
  { name: 'ArithmeticData', ...addressedData },
  { name: 'LogicalData', ...addressedData },
  { name: 'Get', ...addressed },
  { name: 'Intent', ...addressed },
];

const grantAck: MessageFormat = { name: 'GrantAck', ...answer, hasSink: true };

/** `MESSAGE_FORMATS[channel][opcode]`; undefined where the pair is not defined. */
export const MESSAGE_FORMATS: readonly (readonly (MessageFormat | undefined)[])[] = [
  [],
  [...accesses, { name: 'AcquireBlock', ...addressed }, { name: 'AcquirePerm', ...addressed }],
  [...accesses, { name: 'ProbeBlock', ...addressed }, { name: 'ProbePerm', ...addressed }],
  [
    { name: 'AccessAck', ...addressed },
    { name: 'AccessAckData', ...addressedData },
    { name: 'HintAck', ...addressed },
    undefined,
    { name: 'ProbeAck', ...addressed },
    { name: 'ProbeAckData', ...addressedData },
    { name: 'Release', ...addressed },
    { name: 'ReleaseData', ...addressedData },
  ],
  [
    { name: 'AccessAck', ...answer },
    { name: 'AccessAckData', ...answer, hasData: true },
    { name: 'HintAck', ...answer },
    undefined,
    { name: 'Grant', ...answer, hasSink: true },
    { name: 'GrantData', ...answer, hasSink: true, hasData: true },
    { name: 'ReleaseAck', ...answer },
    undefined,
  ],
  // Channel E has no opcode field: whatever bits stand there, it is a GrantAck.
  Array.from({ length: 8 }, () => grantAck),
];

/** Format of a message kind, or undefined if the specification does not define it. */
export function messageFormat(channel: number, opcode: number): MessageFormat | undefined {
  return MESSAGE_FORMATS[channel]?.[opcode];
}

/** Header flits: first word, and the address or sink word where the format has one. */
export function headFlits(channel: number, opcode: number): number {
  return (FORMAT_BITS[(channel << 3) | opcode] as number) & 3;
}

/** Flits of data for 2^sizeLog2 bytes; at least one. */
export function dataFlits(sizeLog2: number): number {
  return sizeLog2 < 3 ? 1 : 1 << (sizeLog2 - 3);
}

/** Mask words of a PutPartialData of 2^sizeLog2 bytes. */
export function maskFlits(sizeLog2: number): number {
  return sizeLog2 <= 6 ? 1 : 1 << (sizeLog2 - 6);
}

/**
 * Length of a message in flits, which is also what it costs in credits; 0 if the kind of message is
 * not defined. Constant time. OmniXtend 1.0.3 §3.2 and §5.
 */
export function messageFlits(channel: number, opcode: number, sizeLog2: number): number {
  const bits = FORMAT_BITS[(channel << 3) | opcode] as number;
  let flits = bits & 3;
  if ((bits & DATA_BIT) !== 0) flits += dataFlits(sizeLog2);
  if ((bits & MASK_BIT) !== 0) flits += maskFlits(sizeLog2);
  return flits;
}

const DATA_BIT = 4;
const MASK_BIT = 8;

/** The formats once more, packed for the data path: header flits in bits 1:0, then DATA, MASK. */
const FORMAT_BITS: Uint8Array = packFormats();

function packFormats(): Uint8Array {
  const packed = new Uint8Array(64);
  for (const [channel, formats] of MESSAGE_FORMATS.entries()) {
    for (const [opcode, format] of formats.entries()) {
      if (format === undefined) continue;
      // On channel E the sink shares the only word; everywhere else it has one of its own.
      const head = channel === Channel.E || !(format.hasAddress || format.hasSink) ? 1 : 2;
      const bits = head | (format.hasData ? DATA_BIT : 0) | (format.hasMask ? MASK_BIT : 0);
      packed[(channel << 3) | opcode] = bits;
    }
  }
  return packed;
}
