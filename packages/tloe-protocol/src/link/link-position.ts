import type { Micros } from '../units.ts';
import { Channel } from '../wire/channel.ts';
import type { LinkParts } from './link-parts.ts';
import type { LinkTransmit } from './link-transmit.ts';

/** Where a link stands at a moment, for reports. */
export interface LinkPosition {
  /** Number of the next new frame, 0 .. 2^22 - 1. */
  readonly nextNumber: number;
  /** The last number that the peer has acknowledged. */
  readonly acknowledgedNumber: number;
  /** The next number that the peer is expected to send. */
  readonly expectedNumber: number;
  /** Frames that may be on their way at once, and frames that are. */
  readonly windowFrames: number;
  readonly framesOutstanding: number;
  /** Flits that may be sent, by channel. */
  readonly creditFlits: Readonly<Record<keyof typeof Channel, number>>;
  /** Smoothed round trip; 0 before the first sample. */
  readonly roundTripMicros: Micros;
  /** How long an unacknowledged frame waits until it is sent again. */
  readonly retransmitTimeoutMicros: Micros;
}

/** Reads it off the parts of a link. */
export function linkPosition({ order }: LinkParts, transmit: LinkTransmit): LinkPosition {
  const { buffer, resend, account } = transmit;
  const credits = Object.entries(Channel).map(([name, it]) => [name, account.available[it]]);
  return {
    nextNumber: buffer.next,
    acknowledgedNumber: buffer.acked,
    expectedNumber: order.expected,
    windowFrames: resend.congestion.frames,
    framesOutstanding: buffer.outstanding(),
    creditFlits: Object.fromEntries(credits) as LinkPosition['creditFlits'],
    roundTripMicros: Math.round(resend.roundTrip.smoothedMicros),
    retransmitTimeoutMicros: resend.roundTrip.timeoutMicros(),
  };
}
