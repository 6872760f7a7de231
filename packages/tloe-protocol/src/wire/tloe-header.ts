/**
 * The TLoE frame header: one 64-bit word, handled as two 32-bit halves. OmniXtend 1.0.3 §3,
 * figure 9, with the message type of the 1.1 proposal in bits 60:57 (reserved, zero, in 1.0.3).
 *
 * ```
 * high  31:29 VC | 28:25 type | 24:22 reserved | 21:0 sequence number
 * low   31:10 sequence number acknowledged | 9 ack | 8 reserved | 7:5 channel | 4:0 credit
 * ```
 */

/** Kind of a frame, 1.1 proposal. 1.0.3 knows only `normal`. */
export const FrameType = {
  /** Numbered; zero to 64 messages. */
  normal: 0,
  /** Carries the sender's next unused number without using it up. Never acknowledged. */
  ackOnly: 1,
  /** Number 0 of a connection. */
  open: 2,
  /** Last numbered frame of a connection. */
  close: 3,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Name of a frame type, for people. */
export const FRAME_TYPE_NAMES = ['Normal', 'AckOnly', 'Open', 'Close'] as const;

/** Bytes of the TLoE header. */
export const TLOE_HEADER_BYTES = 8;

/** Largest credit exponent that fits in the header. */
export const MAX_CREDIT_EXPONENT = 31;

/** High half of a header with VC 0: frame type and sequence number. */
export function packHeaderHigh(frameType: number, sequenceNumber: number): number {
  return ((frameType << 25) | sequenceNumber) >>> 0;
}

/** Low half without the credit: last number received in order, and ACK (1) or NAK (0). */
export function packAcknowledgement(sequenceNumberAck: number, ack: number): number {
  return ((sequenceNumberAck << 10) | (ack << 9)) >>> 0;
}

/** The credit part of the low half: 2^exponent flits of `channel`; channel 0 returns nothing. */
export function packCredit(channel: number, exponent: number): number {
  return (channel << 5) | exponent;
}

/** Virtual channel, from the high half of a header. */
export function headerVc(high: number): number {
  return high >>> 29;
}
/** Type of the frame, from the high half of a header. */
export function headerFrameType(high: number): number {
  return (high >>> 25) & 0xf;
}
/** Bits 24:22 of the high half and bit 8 of the low half, zero in a strict frame. */
export function headerReserved(high: number, low: number): number {
  return ((high >>> 22) & 7) | ((low >>> 8) & 1);
}
/** Number of the frame, 22 bits, from the high half of a header. */
export function headerSequenceNumber(high: number): number {
  return high & 0x3fffff;
}
/** Number that is acknowledged, 22 bits, from the low half of a header. */
export function headerSequenceNumberAck(low: number): number {
  return low >>> 10;
}
/** 1: acknowledgement, 0: NAK; from the low half of a header. */
export function headerAck(low: number): number {
  return (low >>> 9) & 1;
}
/** Channel that the credit is for, from the low half of a header. */
export function headerChannel(low: number): number {
  return (low >>> 5) & 7;
}
/** Exponent of the credit, from the low half of a header. */
export function headerCredit(low: number): number {
  return low & 0x1f;
}
