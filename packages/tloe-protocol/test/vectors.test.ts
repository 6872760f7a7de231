import { describe, expect, it } from 'vitest';

import { ByteRegion } from '../src/byte-region.ts';
import { copyReversed } from '../src/copy-bytes.ts';
import * as wire from '../src/wire/index.ts';
import {
  ETHERNET_VECTORS,
  FRAME_VECTORS,
  PEER_HEADERS,
  REJECT_VECTORS,
  type FrameVector,
  type VectorMessage,
} from './golden-vectors.ts';
import { decodeFrame, encodeFrame, wordsOf, type Frame, type Message } from './naive-codec.ts';
import { decodeBytes, encodeWithWriter, flitsOf, isPacked, withMacHeader } from './wire-codec.ts';

const channelNumbers: Readonly<Record<string, number>> = wire.Channel;

/** The vector in the terms of the codecs. */
function frameOf(vector: FrameVector): Frame {
  return {
    header: { frameType: 0, ...vector.header },
    flitCount: vector.byteLength / 8 - 2,
    messages: vector.messages.map(messageOf),
  };
}

function messageOf(vector: VectorMessage): Message {
  return {
    flitIndex: vector.flitIndex,
    channel: channelNumbers[vector.channel]!,
    opcode: vector.opcode ?? 0,
    param: vector.param ?? 0,
    sizeLog2: vector.size ?? 0,
    domain: vector.domain ?? 0,
    denied: vector.denied ?? false,
    corrupt: vector.corrupt ?? false,
    source: vector.source ?? 0,
    sink: vector.sink ?? 0,
    address: BigInt(vector.address ?? 0),
    mask: vector.mask.map(BigInt),
    data: vector.dataHex.map(BigInt),
  };
}

function bytesOfHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

it('has the vectors of every figure', () => {
  expect(FRAME_VECTORS).toHaveLength(22);
  expect(REJECT_VECTORS).toHaveLength(2);
  expect(ETHERNET_VECTORS).toHaveLength(1);
});

describe.each(FRAME_VECTORS)('$name', (vector) => {
  const frame = frameOf(vector);
  const bytes = bytesOfHex(vector.hex);

  it('decodes to the fields, messages and positions that the specification gives', () => {
    const decoded = decodeBytes(bytes);
    expect(wire.REJECT_REASON_NAMES[decoded.reason]).toBe('none');
    expect(decoded.frame).toEqual(frame);
  });

  it('passes the strict decoder, and the reference decodes it alike', () => {
    expect(decodeBytes(bytes, true).frame).toEqual(frame);
    expect(decodeFrame(bytes, true)).toEqual({ frame });
  });

  it('has messages of the names and lengths that the specification gives', () => {
    const formats = frame.messages.map((each) => wire.messageFormat(each.channel, each.opcode));
    expect(formats.map((format) => format?.name)).toEqual(
      vector.messages.map((message) => message.opcodeName),
    );
    expect(frame.messages.map(flitsOf)).toEqual(vector.messages.map(({ flitCount }) => flitCount));
  });

  it('is what encoding its fields gives', () => {
    expect(hexOf(encodeFrame(frame))).toBe(vector.hex);
    if (isPacked(frame)) expect(hexOf(encodeWithWriter(frame))).toBe(vector.hex);
    // The writer never pads between messages, as figure 18 does; the reference did it above.
    else expect(vector.name).toBe('fig18-frame-mask');
  });

  it('has its frame mask and padding where the specification draws them', () => {
    const { view } = new ByteRegion(bytes);
    expect(view.getBigUint64(bytes.length - 8)).toBe(BigInt(vector.frameMask));
    for (const flit of vector.paddingFlits) expect(view.getBigUint64(8 + flit * 8)).toBe(0n);
  });

  it('carries the data in reversed words: data order spec', () => {
    const decoded = decodeBytes(bytes).frame!;
    for (const [i, { memoryHex }] of vector.messages.entries()) {
      if (memoryHex === null) continue;
      const memory = new ByteRegion(bytesOfHex(memoryHex));
      const carried = ByteRegion.allocate(memory.bytes.length);
      copyReversed(carried, 0, memory, 0, memory.bytes.length);
      expect(wordsOf(carried.bytes)).toEqual(decoded.messages[i]!.data);
      const back = ByteRegion.allocate(memory.bytes.length);
      copyReversed(back, 0, carried, 0, memory.bytes.length);
      expect(hexOf(back.bytes)).toBe(memoryHex);
    }
  });
});

it('packs the messages of figure 18 without the padding flit that is drawn between them', () => {
  const frame = frameOf(FRAME_VECTORS.find(({ name }) => name === 'fig18-frame-mask')!);
  const last = frame.messages.at(-1)!;
  const packed: Frame = {
    ...frame,
    flitCount: frame.flitCount - 1,
    messages: [...frame.messages.slice(0, -1), { ...last, flitIndex: last.flitIndex - 1 }],
  };
  expect(isPacked(packed)).toBe(true);
  expect(hexOf(encodeWithWriter(packed))).toBe(hexOf(encodeFrame(packed)));
});

it('pads a short frame of the specification to 48 bytes, and to 56 as known devices do', () => {
  const get = frameOf(FRAME_VECTORS.find(({ name }) => name === 'fig24-get-on-a')!);
  expect(encodeWithWriter(get)).toHaveLength(48);
  const region = ByteRegion.allocate(128);
  const writer = new wire.FrameWriter(region, { maxFlits: 8, maxMessages: 64 });
  writer.begin(0);
  expect(writer.finish()).toBe(70);
});

it('decodes frames that violate TileLink: that is for the endpoint to refuse', () => {
  const violating = FRAME_VECTORS.filter(({ tilelinkViolations }) => tilelinkViolations.length > 0);
  expect(violating.length).toBeGreaterThan(0);
  for (const { hex } of violating) {
    expect(decodeBytes(bytesOfHex(hex)).reason).toBe(wire.RejectReason.none);
  }
});

describe.each(REJECT_VECTORS)('$name', ({ hex, firstFault }) => {
  it('is refused, strictly or not', () => {
    const bytes = bytesOfHex(hex);
    const strict = decodeBytes(bytes, true).reason;
    const names = wire.REJECT_REASON_NAMES;
    expect(names[decodeBytes(bytes).reason]).toBe('paddingNotZero');
    const isReservedBits = firstFault.startsWith('reserved bits');
    expect(names[strict]).toBe(isReservedBits ? 'reservedBits' : 'paddingNotZero');
    expect(decodeFrame(bytes)).toHaveProperty('fault');
    expect(decodeFrame(bytes, true)).toHaveProperty('fault');
  });
});

describe.each(ETHERNET_VECTORS)('table 2', (vector) => {
  const { ethernetHeader, composedFrame } = vector;
  const mac = (text: string): Uint8Array => bytesOfHex(text.replaceAll(':', ''));

  it('is the MAC header that is written', () => {
    const bytes = new Uint8Array(20).fill(0xee);
    wire.writeEthernetHeader(bytes, 3, {
      destination: mac(ethernetHeader.destination),
      source: mac(ethernetHeader.source),
      etherType: Number(ethernetHeader.etherType),
    });
    expect(hexOf(bytes)).toBe(`eeeeee${vector.ethernetHeaderHex}eeeeee`);
    expect(wire.isMacAt(bytes, 3, mac(ethernetHeader.destination))).toBe(true);
    expect(wire.isMacAt(bytes, 3 + wire.SOURCE_MAC_OFFSET, mac(ethernetHeader.source))).toBe(true);
    expect(wire.isMacAt(bytes, 3, mac(ethernetHeader.source))).toBe(false);
  });

  it('stands before a frame that decodes from there', () => {
    const bytes = bytesOfHex(composedFrame.hex);
    expect(composedFrame.tloeOffset).toBe(wire.ETHERNET_HEADER_BYTES);
    const tloe = bytes.slice(composedFrame.tloeOffset);
    const figure24 = FRAME_VECTORS.find(({ name }) => name === 'fig24-get-on-a')!;
    expect(hexOf(tloe)).toBe(figure24.hex);
    expect(new wire.FrameView().load(new ByteRegion(bytes), 0, bytes.length)).toBe(
      wire.RejectReason.none,
    );
  });
});

describe.each(PEER_HEADERS.frameHeaders)('frame header $name', ({ hex, fields }) => {
  it('decodes to its fields and back', () => {
    const frame: Frame = { header: fields, flitCount: 5, messages: [] };
    const bytes = encodeWithWriter(frame);
    expect(hexOf(bytes.slice(0, 8))).toBe(hex);
    expect(hexOf(encodeFrame(frame))).toBe(hexOf(bytes));
    expect(decodeBytes(bytes, true).frame).toEqual(frame);
  });
});

describe.each(PEER_HEADERS.messageHeads)('message head $name', ({ hex, fields }) => {
  it('decodes to its fields and back', () => {
    const region = new ByteRegion(withMacHeader(new Uint8Array(2048)));
    const expected = Object.assign(new wire.MessageFields(), {
      channel: channelNumbers[fields.channel],
      opcode: fields.opcode,
      param: fields.param,
      sizeLog2: fields.size,
      domain: fields.domain,
      denied: fields.denied,
      corrupt: fields.corrupt,
      source: fields.source,
    });
    wire.writeMessageHead(region.view, 16, expected);
    expect(hexOf(region.bytes.slice(16, 24))).toBe(hex);
    const read = new wire.MessageFields();
    wire.readMessageHead(region.view, 16, read);
    expect(read).toEqual(expected);
    expect(wire.messageFormat(read.channel, read.opcode)?.name).toBe(fields.opcodeName);
  });
});
