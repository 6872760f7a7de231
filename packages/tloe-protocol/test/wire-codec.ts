/**
 * The codec of `src/wire` in the terms of the reference: whole frames as values in and out, so that
 * tests can compare the two.
 */
import { ByteRegion } from '../src/byte-region.ts';
import * as wire from '../src/wire/index.ts';
import type { Frame, Message } from './naive-codec.ts';

const FLIT_BYTES = 8;
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

/** The frame's bytes from the TLoE header on, made by `FrameWriter`; the frame must be packed. */
export function encodeWithWriter(frame: Frame): Uint8Array {
  const region = ByteRegion.allocate(wire.FRAME_OVERHEAD_BYTES + frame.flitCount * FLIT_BYTES);
  // Left-over memory, as in a slot that was used before.
  region.bytes.fill(0xa5, wire.ETHERNET_HEADER_BYTES);
  const writer = new wire.FrameWriter(region, {
    maxFlits: frame.flitCount,
    maxMessages: 64,
    minimumFlits: frame.flitCount,
  });
  writer.begin(0);
  const { header } = frame;
  const high = wire.packHeaderHigh(header.frameType, header.sequenceNumber);
  const low =
    wire.packAcknowledgement(header.sequenceNumberAck, header.ack) |
    wire.packCredit(header.channel, header.credit);
  region.view.setUint32(wire.ETHERNET_HEADER_BYTES, high | (header.vc << 29));
  region.view.setUint32(wire.ETHERNET_HEADER_BYTES + 4, low);
  for (const message of frame.messages) {
    writeMessage(region, writer.reserve(flitsOf(message)), message);
  }
  const lengthBytes = writer.finish();
  return region.bytes.slice(wire.ETHERNET_HEADER_BYTES, lengthBytes);
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
