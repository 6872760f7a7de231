import type { ByteRegion } from '../byte-region.ts';
import { FLIT_BYTES } from '../units.ts';
import { Channel, headFlits, messageFlits } from './channel.ts';
import { ETHERNET_HEADER_BYTES } from './ethernet.ts';
import { RejectReason } from './reject-reason.ts';
import { MAX_IDENTIFIER, MessageFields, readMessageHead } from './tilelink-message.ts';
import * as header from './tloe-header.ts';

/** Last flit (counted from 0) in which a message may start: the mask has 64 bits. */
export const LAST_START_FLIT = 63;

/**
 * One message of a received frame: its fields and where its mask and data lie in the frame's
 * region. Valid as long as the frame is.
 */
export class MessageView extends MessageFields {
  /** Region that holds the frame. */
  region!: ByteRegion;
  /** First flit of the message, counted from 0 behind the TLoE header. */
  flitIndex = 0;
  /** Flits of the whole message: what it costs in credits. */
  flitCount = 0;
  /** Byte offset in the region of what follows the head: data, or mask and data interleaved. */
  bodyOffset = 0;
}

/**
 * A checked, read-only window over the bytes of a received frame. One is made per link and loaded
 * again for each frame; nothing is copied and nothing allocated.
 *
 * Messages are found by walking the flits and the frame mask must say the same, so that a receiver
 * that goes by structure and one that goes by the mask see the same messages.
 * OmniXtend 1.0.3 §3.4.
 */
export class FrameView {
  vc = 0;
  frameType = 0;
  sequenceNumber = 0;
  sequenceNumberAck = 0;
  /** 1 ACK, 0 NAK. */
  ack = 0;
  /** Channel whose credits are returned; 0: none. */
  channel = 0;
  /** Exponent of the credits returned. */
  credit = 0;
  /** Flits between TLoE header and frame mask. */
  flitCount = 0;
  /** Messages found; none in an AckOnly frame, whose body is not looked at. */
  messageCount = 0;
  /** Where the frame is: its region, where it begins there, and its bytes from there on. */
  region!: ByteRegion;
  offset = 0;
  lengthBytes = 0;

  readonly #starts = new Uint16Array(LAST_START_FLIT + 1);
  readonly #isStrict: boolean;
  #flitsOffset = 0;

  /** @param isStrict  also reject reserved bits that are set */
  constructor(isStrict = false) {
    this.#isStrict = isStrict;
  }

  /**
   * Looks at the frame of `lengthBytes` bytes (MAC header included, FCS not) at `offset`.
   * MAC addresses and EtherType are the caller's business. Up to seven bytes behind the last whole
   * word are ignored: some interfaces leave them there.
   *
   * After a rejection for `tooShort` no field is valid; after any other, the header's fields are.
   */
  load(region: ByteRegion, offset: number, lengthBytes: number): RejectReason {
    const words = (lengthBytes - ETHERNET_HEADER_BYTES) >> 3;
    if (words < 2) return RejectReason.tooShort;
    const start = offset + ETHERNET_HEADER_BYTES;
    this.region = region;
    this.offset = offset;
    this.lengthBytes = lengthBytes;
    this.#flitsOffset = start + header.TLOE_HEADER_BYTES;
    this.flitCount = words - 2;
    this.messageCount = 0;
    this.#loadHeader(region.view, start);
    if (this.frameType > header.FrameType.close) return RejectReason.unknownFrameType;
    if (this.#isStrict && this.#hasReservedBits(region.view, start)) {
      return RejectReason.reservedBits;
    }
    // Known peers send AckOnly frames whose body is left-over memory.
    if (this.frameType === header.FrameType.ackOnly) return RejectReason.none;
    return this.#walk(region.view);
  }

  /** Fills `message` with message `index`, 0 .. messageCount - 1. */
  message(index: number, message: MessageView): void {
    const flitIndex = this.#starts[index] as number;
    const offset = this.#flitsOffset + flitIndex * FLIT_BYTES;
    readMessageHead(this.region.view, offset, message);
    message.region = this.region;
    message.flitIndex = flitIndex;
    message.flitCount = messageFlits(message.channel, message.opcode, message.sizeLog2);
    const hasOneWordHead =
      message.channel === Channel.E ||
      (message.channel === Channel.D && (message.opcode & 6) !== 4);
    message.bodyOffset = offset + (hasOneWordHead ? 8 : 16);
  }

  #loadHeader(view: DataView, start: number): void {
    const high = view.getUint32(start);
    const low = view.getUint32(start + 4);
    this.vc = header.headerVc(high);
    this.frameType = header.headerFrameType(high);
    this.sequenceNumber = header.headerSequenceNumber(high);
    this.sequenceNumberAck = header.headerSequenceNumberAck(low);
    this.ack = header.headerAck(low);
    this.channel = header.headerChannel(low);
    this.credit = header.headerCredit(low);
  }

  #walk(view: DataView): RejectReason {
    const flits = this.flitCount;
    let maskHigh = 0;
    let maskLow = 0;
    let flit = 0;
    while (flit < flits) {
      const at = this.#flitsOffset + flit * FLIT_BYTES;
      const word = view.getUint32(at);
      const channel = (word >>> 28) & 7;
      if (channel === 0) {
        if (word !== 0 || view.getUint32(at + 4) !== 0) return RejectReason.paddingNotZero;
        flit++;
        continue;
      }
      if (channel > Channel.E) return RejectReason.unknownMessage;
      const length = messageFlits(channel, (word >>> 25) & 7, (word >>> 16) & 0xf);
      if (length === 0) return RejectReason.unknownMessage;
      if (flit + length > flits) return RejectReason.messageTruncated;
      if (flit > LAST_START_FLIT) return RejectReason.startTooLate;
      if (this.#isStrict && messageHasReservedBits(view, at)) return RejectReason.reservedBits;
      if (flit < 32) maskLow |= 1 << flit;
      else maskHigh |= 1 << (flit - 32);
      this.#starts[this.messageCount++] = flit;
      flit += length;
    }
    const at = this.#flitsOffset + flits * FLIT_BYTES;
    const isSame = view.getInt32(at) === maskHigh && view.getInt32(at + 4) === maskLow;
    return isSame ? RejectReason.none : RejectReason.maskMismatch;
  }

  #hasReservedBits(view: DataView, start: number): boolean {
    return header.headerReserved(view.getUint32(start), view.getUint32(start + 4)) !== 0;
  }
}

function messageHasReservedBits(view: DataView, at: number): boolean {
  const high = view.getUint32(at);
  const low = view.getUint32(at + 4);
  const isGrantAck = ((high >>> 28) & 7) === Channel.E;
  const reservedHigh = isGrantAck ? 0x8fffffff : 0x8100003f;
  if ((high & reservedHigh) !== 0 || low > MAX_IDENTIFIER) return true;
  // The sink of Grant and GrantData has a word of its own, whose other 38 bits are reserved too.
  const channel = (high >>> 28) & 7;
  if (channel !== Channel.D || headFlits(channel, (high >>> 25) & 7) === 1) return false;
  return view.getUint32(at + 8) !== 0 || view.getUint32(at + 12) > MAX_IDENTIFIER;
}
