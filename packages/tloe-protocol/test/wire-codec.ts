/**
 * The codec of `src/wire` in the terms of the reference: whole frames as values in and out, so that
 * tests can compare the two.
 */
import { assert } from '../src/assert.ts';
import { ByteRegion } from '../src/byte-region.ts';
import * as wire from '../src/wire/index.ts';
import type { Frame, FrameHeader, Message } from './naive-codec.ts';

const FLIT_BYTES = 8;
const FIRST_FLIT_OFFSET = wire.ETHERNET_HEADER_BYTES + wire.TLOE_HEADER_BYTES;
/** Memory around an encoded frame, to see that it stays as it was. */
const GUARD_BYTES = 16;
const MAC_HEADER = new Uint8Array(wire.ETHERNET_HEADER_BYTES);

/** The bytes of a frame behind a MAC header of zeros, in memory of exactly this size. */
export function withMacHeader(tloeBytes: Uint8Array): Uint8Array {
  return Uint8Array.from([...MAC_HEADER, ...tloeBytes]);
}

/** Whether the frame's messages follow each other without padding, as the writer packs them. */
export function isPacked(frame: Frame): boolean {
  let flit = 0;
  return frame.messages.every((message) => {
    const isNext = message.flitIndex === flit;
    flit += flitsOf(message);
    return isNext;
  });
}

/** What `src/wire` says a message costs. */
export function flitsOf(message: Pick<Message, 'channel' | 'opcode' | 'sizeLog2'>): number {
  return wire.messageFlits(message.channel, message.opcode, message.sizeLog2);
}

/**
 * The frame's bytes from the TLoE header on, made by `FrameWriter`; the frame must be packed. The
 * memory before and behind the frame is checked to be as it was.
 */
export function encodeWithWriter(frame: Frame, guard = 0xa5): Uint8Array {
  const frameBytes = wire.FRAME_OVERHEAD_BYTES + frame.flitCount * FLIT_BYTES;
  const region = ByteRegion.allocate(GUARD_BYTES + frameBytes + GUARD_BYTES);
  // Left-over memory, as in a slot that was used before.
  region.bytes.fill(guard);
  const writer = new wire.FrameWriter(region, {
    maxFlits: frame.flitCount,
    maxMessages: 64,
    minimumFlits: frame.flitCount,
  });
  writer.begin(GUARD_BYTES);
  writeHeader(region, GUARD_BYTES + wire.ETHERNET_HEADER_BYTES, frame.header);
  for (const message of frame.messages) {
    writeMessage(region, writer.reserve(flitsOf(message)), message);
  }
  assert(writer.finish() === frameBytes, 'the frame has the length asked for');
  const start = GUARD_BYTES + wire.ETHERNET_HEADER_BYTES;
  const end = GUARD_BYTES + frameBytes;
  const around = [...region.bytes.subarray(0, start), ...region.bytes.subarray(end)];
  assert(
    around.every((byte) => byte === guard),
    'nothing is written outside the frame',
  );
  return region.bytes.slice(start, end);
}

function writeHeader(region: ByteRegion, offset: number, header: FrameHeader): void {
  const high = wire.packHeaderHigh(header.frameType, header.sequenceNumber);
  const low =
    wire.packAcknowledgement(header.sequenceNumberAck, header.ack) |
    wire.packCredit(header.channel, header.credit);
  region.view.setUint32(offset, high | (header.vc << 29));
  region.view.setUint32(offset + 4, low);
}

/** One message at `offset`, with the head written by `src/wire`. */
export function writeMessage(region: ByteRegion, offset: number, message: Message): void {
  const { view } = region;
  let next = wire.writeMessageHead(view, offset, fieldsOf(message));
  for (const [i, word] of message.data.entries()) {
    if (message.mask.length > 0 && i % 8 === 0) {
      view.setBigUint64(next, message.mask[i / 8]!);
      next += FLIT_BYTES;
    }
    view.setBigUint64(next, word);
    next += FLIT_BYTES;
  }
}

/** The record that `src/wire` writes a message head from. */
export function fieldsOf(message: Message): wire.MessageFields {
  return Object.assign(new wire.MessageFields(), {
    channel: message.channel,
    opcode: message.opcode,
    param: message.param,
    sizeLog2: message.sizeLog2,
    domain: message.domain,
    denied: message.denied,
    corrupt: message.corrupt,
    source: message.source,
    sink: message.sink,
    addressHigh: Number(message.address >> 32n),
    addressLow: Number(message.address & 0xffff_ffffn),
  });
}

export interface ViewDecoded {
  readonly reason: wire.RejectReason;
  /** Undefined if the frame was rejected. */
  readonly frame: Frame | undefined;
}

/** Decodes the frame of `lengthBytes` bytes (MAC header included) at `offset` with `FrameView`. */
export function decodeWithView(
  region: ByteRegion,
  offset: number,
  lengthBytes: number,
  isStrict = false,
): ViewDecoded {
  const view = new wire.FrameView(isStrict);
  const reason = view.load(region, offset, lengthBytes);
  if (reason !== wire.RejectReason.none) return { reason, frame: undefined };
  const { vc, frameType, sequenceNumber, sequenceNumberAck, ack, channel, credit } = view;
  const header = { vc, frameType, sequenceNumber, sequenceNumberAck, ack, channel, credit };
  const messages = Array.from({ length: view.messageCount }, (_, i) => {
    const message = new wire.MessageView();
    view.message(i, message);
    const headBytes = FLIT_BYTES * wire.headFlits(message.channel, message.opcode);
    const start = offset + FIRST_FLIT_OFFSET + FLIT_BYTES * message.flitIndex;
    assert(message.bodyOffset === start + headBytes, 'the body follows the head');
    return messageOf(message);
  });
  return { reason, frame: { header, flitCount: view.flitCount, messages } };
}

/** The same for TLoE bytes without a MAC header, in memory that ends with the frame. */
export function decodeBytes(tloeBytes: Uint8Array, isStrict = false): ViewDecoded {
  const bytes = withMacHeader(tloeBytes);
  return decodeWithView(new ByteRegion(bytes), 0, bytes.length, isStrict);
}

function messageOf(view: wire.MessageView): Message {
  const format = wire.messageFormat(view.channel, view.opcode)!;
  const headFlits = wire.headFlits(view.channel, view.opcode);
  const mask: bigint[] = [];
  const data: bigint[] = [];
  for (let i = headFlits; i < view.flitCount; i++) {
    const word = view.region.view.getBigUint64(view.bodyOffset + (i - headFlits) * FLIT_BYTES);
    if (format.hasMask && (i - headFlits) % 9 === 0) mask.push(word);
    else data.push(word);
  }
  return {
    flitIndex: view.flitIndex,
    channel: view.channel,
    opcode: view.opcode,
    param: view.param,
    sizeLog2: view.sizeLog2,
    domain: view.domain,
    denied: view.denied,
    corrupt: view.corrupt,
    source: view.source,
    sink: view.sink,
    address: (BigInt(view.addressHigh) << 32n) | BigInt(view.addressLow),
    mask,
    data,
  };
}
