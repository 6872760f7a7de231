import { Channel, headFlits } from './channel.ts';

/**
 * The fields of one TileLink message, without its data. OmniXtend 1.0.3 §3.2, figures 10-14.
 *
 * A plain mutable record: the data path keeps one and fills it for each message. Fields that the
 * message's format lacks are zero.
 */
export class MessageFields {
  /** 1 A .. 5 E. */
  channel = 0;
  opcode = 0;
  param = 0;
  /** log2 of the number of bytes, 0 .. 15. */
  sizeLog2 = 0;
  domain = 0;
  /** Err[1], channel D only. */
  denied = false;
  /** Err[0], messages with data only. */
  corrupt = false;
  /** 26 bits. */
  source = 0;
  /** 26 bits; Grant, GrantData and GrantAck. */
  sink = 0;
  /** Upper and lower half of the 64-bit address, unsigned. */
  addressHigh = 0;
  addressLow = 0;
}

/** Largest source or sink identifier. */
export const MAX_IDENTIFIER = 0x3ffffff;

/**
 * Writes the head of a message (its first word, and the address or sink word if it has one).
 *
 * @param view    the frame's memory
 * @param offset  byte offset of the message's first flit
 * @param fields  all within their ranges
 * @returns byte offset of the word behind the head, where mask and data go
 */
export function writeMessageHead(view: DataView, offset: number, fields: MessageFields): number {
  if (fields.channel === Channel.E) {
    view.setUint32(offset, Channel.E << 28);
    view.setUint32(offset + 4, fields.sink);
    return offset + 8;
  }
  const high =
    (fields.channel << 28) |
    (fields.opcode << 25) |
    (fields.param << 20) |
    (fields.sizeLog2 << 16) |
    (fields.domain << 8) |
    (fields.denied ? 0x80 : 0) |
    (fields.corrupt ? 0x40 : 0);
  view.setUint32(offset, high);
  view.setUint32(offset + 4, fields.source);
  if (headFlits(fields.channel, fields.opcode) === 1) return offset + 8;
  const isSink = fields.channel === Channel.D;
  view.setUint32(offset + 8, isSink ? 0 : fields.addressHigh);
  view.setUint32(offset + 12, isSink ? fields.sink : fields.addressLow);
  return offset + 16;
}

/** Reads the head of the message at `offset` into `fields`; the format must be a defined one. */
export function readMessageHead(view: DataView, offset: number, fields: MessageFields): void {
  const high = view.getUint32(offset);
  const low = view.getUint32(offset + 4);
  const channel = (high >>> 28) & 7;
  const isGrantAck = channel === Channel.E;
  fields.channel = channel;
  fields.opcode = isGrantAck ? 0 : (high >>> 25) & 7;
  fields.param = isGrantAck ? 0 : (high >>> 20) & 0xf;
  fields.sizeLog2 = isGrantAck ? 0 : (high >>> 16) & 0xf;
  fields.domain = isGrantAck ? 0 : (high >>> 8) & 0xff;
  fields.denied = !isGrantAck && (high & 0x80) !== 0;
  fields.corrupt = !isGrantAck && (high & 0x40) !== 0;
  fields.source = isGrantAck ? 0 : low & MAX_IDENTIFIER;
  fields.sink = isGrantAck ? low & MAX_IDENTIFIER : 0;
  fields.addressHigh = 0;
  fields.addressLow = 0;
  if (isGrantAck || headFlits(channel, fields.opcode) === 1) return;
  if (channel === Channel.D) {
    fields.sink = view.getUint32(offset + 12) & MAX_IDENTIFIER;
  } else {
    fields.addressHigh = view.getUint32(offset + 8);
    fields.addressLow = view.getUint32(offset + 12);
  }
}
