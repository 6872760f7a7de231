import type { MessageFields } from '@oxmem/tloe-protocol';
import type { Violation } from './violation.ts';

/** What is worth knowing of a frame beside what it says, and no violation. */
export type Mark =
  /** Begins a connection on which there was one before. */
  | 'reopened'
  /** Its number was seen before and is not acknowledged yet. */
  | 'resent'
  /** Its number was seen before and has been acknowledged. */
  | 'duplicate'
  /** Numbers between the last frame and this one have not been seen. */
  | 'gap'
  /** Has one of the missing numbers. */
  | 'late'
  | 'nak'
  /** Acknowledges a number that has not been seen. */
  | 'acks-unseen'
  /** The capture has only its beginning. */
  | 'cut';

/** One end of an answer and the request that it answers. */
export interface Answered {
  /** Number of the frame of the request in the capture, from 1. */
  readonly frame: number;
  /** Nanoseconds from the request's first frame to this one. */
  readonly latencyNanos: number;
}

/** A message and what it answers. */
export interface DecodedMessage {
  readonly fields: MessageFields;
  readonly answers: Answered | undefined;
}

/** A TLoE frame of a capture, read and put into its place. */
export interface DecodedFrame {
  /** Number in the capture, from 1, other frames counted. */
  readonly number: number;
  /** Since 1970, UTC. */
  readonly seconds: number;
  readonly nanos: number;
  /** Since the first frame of the capture. */
  readonly elapsedNanos: number;
  /** Number of the connection, from 1. */
  readonly connection: number;
  /** From the initiator to the endpoint, as far as can be told. */
  readonly isForward: boolean;
  /** MAC addresses. */
  readonly source: string;
  readonly destination: string;
  readonly lengthBytes: number;
  /** Undefined: the frame is too short to have a header. */
  readonly header: FrameHeader | undefined;
  readonly messages: readonly DecodedMessage[];
  readonly marks: readonly Mark[];
  /** How many numbers are missing in front of this one. */
  readonly missing: number;
  readonly violations: readonly Violation[];
}

/** The fields of a TLoE header. */
export interface FrameHeader {
  readonly vc: number;
  readonly type: number;
  readonly sequenceNumber: number;
  readonly sequenceNumberAck: number;
  readonly isAck: boolean;
  /** Channel of the credits, 0 none, and their exponent. */
  readonly channel: number;
  readonly credit: number;
}
