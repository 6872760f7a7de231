import { ByteRegion } from '../byte-region.ts';
import { FLIT_BYTES } from '../units.ts';
import { headFlits, messageFlits } from './channel.ts';
import { DEFAULT_ETHER_TYPE, ETHERNET_HEADER_BYTES, writeEthernetHeader } from './ethernet.ts';
import { type FrameView, MessageView } from './frame-view.ts';
import { FrameWriter, MINIMUM_FLITS, flitsOfMtu } from './frame-writer.ts';
import { MessageFields, writeMessageHead } from './tilelink-message.ts';
import { FrameType, packAcknowledgement, packCredit, packHeaderHigh } from './tloe-header.ts';

/**
 * A frame as a value, field by field, for tools and tests that say exactly what they are told to,
 * right or wrong. Not for the data path: everything is copied.
 */
export interface PlainFrame {
  /** 6 bytes each. */
  readonly destination: Uint8Array;
  readonly source: Uint8Array;
  /** Default 0xAAAA. */
  readonly etherType?: number;
  /** Default Normal. Any number up to 15. */
  readonly type?: number;
  readonly sequenceNumber: number;
  readonly sequenceNumberAck: number;
  /** 1 ACK (default), 0 NAK. */
  readonly ack?: number;
  /** Channel whose credits are given, and the exponent; default: none. */
  readonly channel?: number;
  readonly credit?: number;
  /** Flits of padding in front of the first message. Default 0. */
  readonly paddingFlits?: number;
  readonly messages?: readonly PlainMessage[];
}

/** A message of a plain frame; fields that are missing are zero, and so is the rest of the body. */
export type PlainMessage = Partial<MessageFields> & {
  readonly channel: number;
  readonly opcode: number;
  /** What follows the head: data, or masks and data interleaved. */
  readonly body?: Uint8Array;
};

/** The bytes of a frame, MAC header included; the body of each message has the length it needs. */
export function plainFrameBytes(frame: PlainFrame): Uint8Array {
  const { messages = [], paddingFlits = 0 } = frame;
  const region = ByteRegion.allocate(MAX_FRAME_BYTES);
  const { destination, source, etherType = DEFAULT_ETHER_TYPE } = frame;
  writeEthernetHeader(region.bytes, 0, { destination, source, etherType });
  const high = packHeaderHigh(frame.type ?? FrameType.normal, frame.sequenceNumber);
  region.view.setUint32(ETHERNET_HEADER_BYTES, high);
  const ack = packAcknowledgement(frame.sequenceNumberAck, frame.ack ?? 1);
  const credit = packCredit(frame.channel ?? 0, frame.credit ?? 0);
  region.view.setUint32(ETHERNET_HEADER_BYTES + 4, (ack | credit) >>> 0);
  const limits = { maxFlits: flitsOfMtu(MAX_PAYLOAD_BYTES), maxMessages: 64 };
  const writer = new FrameWriter(region, { ...limits, minimumFlits: MINIMUM_FLITS });
  writer.begin(0);
  writer.pad(paddingFlits);
  for (const message of messages) writePlainMessage(writer, message);
  return region.bytes.slice(0, writer.finish());
}

/** Copies of the messages of a frame that `view` has been loaded with. */
export function plainMessagesOf(view: FrameView): (MessageFields & { body: Uint8Array })[] {
  return Array.from({ length: view.messageCount }, (_, index) => {
    const message = new MessageView();
    view.message(index, message);
    const { bodyOffset, flitCount, region } = message;
    const bodyFlits = flitCount - headFlits(message.channel, message.opcode);
    const body = region.bytes.slice(bodyOffset, bodyOffset + bodyFlits * FLIT_BYTES);
    const fields = new MessageFields();
    for (const key of Object.keys(fields) as (keyof MessageFields)[]) {
      Object.assign(fields, { [key]: message[key] });
    }
    return Object.assign(fields, { body });
  });
}

function writePlainMessage(writer: FrameWriter, { body, ...fields }: PlainMessage): void {
  const message = Object.assign(new MessageFields(), fields);
  const { channel, opcode, sizeLog2 } = message;
  const start = writer.reserve(messageFlits(channel, opcode, sizeLog2));
  const bodyOffset = writeMessageHead(writer.region.view, start, message);
  if (body !== undefined) writer.region.bytes.set(body, bodyOffset);
}

/** The largest jumbo frames in use. */
const MAX_PAYLOAD_BYTES = 9000;
const MAX_FRAME_BYTES = ETHERNET_HEADER_BYTES + MAX_PAYLOAD_BYTES;
