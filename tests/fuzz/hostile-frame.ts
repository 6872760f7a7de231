/** Frames of somebody who knows the protocol well and means no good. */
import {
  Channel,
  DEFAULT_ETHER_TYPE,
  ETHERNET_HEADER_BYTES,
  FrameType,
  messageFlits,
  packAcknowledgement,
  packCredit,
  packHeaderHigh,
} from '@oxmem/tloe-protocol';
import type { Prng } from '@oxmem/tloe-protocol/testing';
import { FRAME_VECTORS, REJECT_VECTORS } from '../../packages/tloe-protocol/test/golden-vectors.ts';

/** What the sender of a frame makes use of. */
export interface Situation {
  readonly to: Uint8Array;
  readonly from: Uint8Array;
  /** The number that the receiver expects next, as far as one can know. */
  readonly next: number;
  /** The last number heard from the receiver. */
  readonly heard: number;
  /** Channels that make sense towards this receiver. */
  readonly channels: readonly number[];
}

/** Bytes of the longest frame that is made. */
export const MAX_FRAME_BYTES = 1514;
/** Addresses in requests lie below, unless they are absurd. */
export const HOSTILE_BYTES = 2 ** 20;

const MAX_FLITS = 180;
const REQUESTS: readonly number[] = [Channel.A];
const ALL_CHANNELS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7];
const VECTORS = [...FRAME_VECTORS, ...REJECT_VECTORS].map(({ hex }) => Buffer.from(hex, 'hex'));

/** Channels that an endpoint, and a driver, hear on. */
export const TO_ENDPOINT: readonly number[] = [...REQUESTS, ...REQUESTS, ...REQUESTS, 3, 5];
export const TO_DRIVER: readonly number[] = [Channel.D, Channel.D, Channel.D, Channel.B];

/**
 * Writes a frame to the start of `out`, which has room for `MAX_FRAME_BYTES`.
 *
 * @returns its length in bytes
 */
export function writeHostileFrame(prng: Prng, situation: Situation, out: Uint8Array): number {
  out.set(situation.to, 0);
  out.set(situation.from, 6);
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  view.setUint16(12, DEFAULT_ETHER_TYPE);
  const kind = prng.nextFloat();
  let length: number;
  if (kind < 0.03) length = writeNoise(prng, out);
  else if (kind < 0.08) length = writeVector(prng, out);
  else length = writeFrame(prng, situation, view);
  return prng.chance(0.15) ? mutate(prng, out, length) : length;
}

/** Changes bytes behind the MAC header, or the length. */
export function mutate(prng: Prng, bytes: Uint8Array, length: number): number {
  const body = length - ETHERNET_HEADER_BYTES;
  const kind = prng.below(5);
  if (kind === 0) return prng.between(1, length);
  if (kind === 1) {
    const longer = Math.min(MAX_FRAME_BYTES, length + prng.between(1, 80));
    bytes.fill(0, length, longer);
    return longer;
  }
  if (body <= 0) return length;
  for (let i = prng.between(1, 4); i > 0; i--) {
    const at = ETHERNET_HEADER_BYTES + prng.below(body);
    if (kind === 2) bytes[at] = prng.below(256);
    else (bytes[at] as number) ^= 1 << prng.below(8);
  }
  return length;
}

function writeNoise(prng: Prng, out: Uint8Array): number {
  const length = prng.between(ETHERNET_HEADER_BYTES, 200);
  prng.fillBytes(out.subarray(ETHERNET_HEADER_BYTES, length));
  return length;
}

function writeVector(prng: Prng, out: Uint8Array): number {
  const vector = prng.pick(VECTORS).subarray(0, MAX_FRAME_BYTES - ETHERNET_HEADER_BYTES);
  out.set(vector, ETHERNET_HEADER_BYTES);
  return ETHERNET_HEADER_BYTES + vector.length;
}

function writeFrame(prng: Prng, situation: Situation, view: DataView): number {
  const start = ETHERNET_HEADER_BYTES;
  view.setUint32(start, packHeaderHigh(frameType(prng), nearby(prng, situation.next)));
  const ack = packAcknowledgement(nearby(prng, situation.heard), prng.chance(0.85) ? 1 : 0);
  const credit = prng.chance(0.4) ? packCredit(prng.below(8), exponent(prng)) : 0;
  view.setUint32(start + 4, ack | credit);
  const flits = writeMessages(prng, situation, view);
  return start + 16 + 8 * flits;
}

/** @returns flits between TLoE header and mask */
function writeMessages(prng: Prng, { channels }: Situation, view: DataView): number {
  const first = ETHERNET_HEADER_BYTES + 8;
  const wanted = prng.chance(0.2) ? 0 : prng.chance(0.9) ? prng.between(1, 3) : 64;
  let [flit, maskHigh, maskLow] = [0, 0, 0];
  for (let i = 0; i < wanted && flit < 64; i++) {
    const channel = prng.chance(0.95) ? prng.pick(channels) : prng.pick(ALL_CHANNELS);
    const opcode = prng.chance(0.8) ? prng.pick(LIKELY_OPCODES) : prng.below(8);
    const sizeLog2 = prng.chance(0.9) ? prng.below(8) : prng.below(16);
    const length = messageFlits(channel, opcode, sizeLog2);
    if (length === 0 || flit + length > MAX_FLITS) continue;
    writeMessage(prng, view, { at: first + 8 * flit, channel, opcode, sizeLog2, length });
    if (flit < 32) maskLow |= 1 << flit;
    else maskHigh |= 1 << (flit - 32);
    flit += length;
  }
  const padded = Math.max(flit, 5);
  for (let i = flit; i < padded; i++) view.setBigUint64(first + 8 * i, 0n);
  view.setUint32(first + 8 * padded, maskHigh >>> 0);
  view.setUint32(first + 8 * padded + 4, maskLow >>> 0);
  return padded;
}

interface MessagePlace {
  readonly at: number;
  readonly channel: number;
  readonly opcode: number;
  readonly sizeLog2: number;
  readonly length: number;
}

function writeMessage(prng: Prng, view: DataView, place: MessagePlace): void {
  const { at, channel, opcode, sizeLog2, length } = place;
  const oddities = prng.chance(0.1) ? prng.nextUint32() & 0x00f0ffff : 0;
  view.setUint32(at, ((channel << 28) | (opcode << 25) | (sizeLog2 << 16) | oddities) >>> 0);
  view.setUint32(at + 4, prng.chance(0.8) ? prng.between(990, 1400) : prng.nextUint32() >>> 6);
  if (length < 2) return;
  const isAbsurd = prng.chance(0.05);
  const address = prng.below(HOSTILE_BYTES) & -(1 << Math.min(sizeLog2, 15));
  view.setUint32(at + 8, isAbsurd ? prng.nextUint32() : 0);
  view.setUint32(at + 12, isAbsurd ? prng.nextUint32() : address);
  const fill = prng.below(256);
  for (let i = at + 16; i < at + 8 * length; i++) view.setUint8(i, fill);
}

function frameType(prng: Prng): number {
  const drawn = prng.nextFloat();
  if (drawn < 0.8) return FrameType.normal;
  if (drawn < 0.94) return FrameType.ackOnly;
  return drawn < 0.97 ? FrameType.open : drawn < 0.972 ? FrameType.close : prng.below(16);
}

/** Right, a little off, or anything. */
function nearby(prng: Prng, number: number): number {
  const drawn = prng.nextFloat();
  if (drawn < 0.8) return number & 0x3fffff;
  if (drawn < 0.95) return (number + prng.between(-40, 40)) & 0x3fffff;
  return prng.below(2 ** 22);
}

function exponent(prng: Prng): number {
  return prng.chance(0.8) ? prng.below(12) : prng.below(32);
}

/** Gets, Puts, answers with and without data. */
const LIKELY_OPCODES = [0, 0, 1, 1, 4, 4, 4] as const;
