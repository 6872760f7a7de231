import {
  ByteRegion,
  ETHERNET_HEADER_BYTES,
  FLIT_BYTES,
  FrameView,
  MessageFields,
  MessageView,
  RejectReason,
  TLOE_HEADER_BYTES,
  headFlits,
} from '@oxmem/tloe-protocol';
import type { CaptureRecord } from '../capture/capture-record.ts';
import type { FrameHeader } from './decoded-frame.ts';
import { VIOLATION_OF_REASON, type Violation } from './violation.ts';

/** What a captured frame says by itself. */
export interface FrameReading {
  readonly header: FrameHeader | undefined;
  readonly messages: readonly MessageFields[];
  readonly flits: number;
  readonly isCut: boolean;
  readonly violations: Violation[];
}

/** Frames are laid out here, so that what a capture has cut off reads as padding. */
const MAX_FRAME_BYTES = 2 ** 16;
const VLAN_TYPES: ReadonlySet<number> = new Set([0x8100, 0x88a8]);
const VLAN_TAG_BYTES = 4;
const MINIMUM_PAYLOAD_BYTES = 46;

/** Reads frames of one EtherType, whole or cut short, right or wrong. Never throws. */
export class FrameReader {
  readonly #etherType: number;
  readonly #region = ByteRegion.allocate(MAX_FRAME_BYTES);
  readonly #lenient = new FrameView();
  readonly #strict = new FrameView(true);
  readonly #message = new MessageView();
  #dirtyBytes = 0;

  constructor(etherType: number) {
    this.#etherType = etherType;
  }

  /** Where the MAC header would begin if the frame had no VLAN tags; undefined: a foreign frame. */
  startOf({ bytes }: CaptureRecord): number | undefined {
    for (let start = 0; start <= 2 * VLAN_TAG_BYTES; start += VLAN_TAG_BYTES) {
      if (bytes.length < start + ETHERNET_HEADER_BYTES) return undefined;
      const type = ((bytes[start + 12] as number) << 8) | (bytes[start + 13] as number);
      if (type === this.#etherType) return start;
      if (!VLAN_TYPES.has(type)) return undefined;
    }
    return undefined;
  }

  /** @param start  as `startOf` has found it */
  read(record: CaptureRecord, start: number): FrameReading {
    const kept = record.bytes.subarray(start, start + MAX_FRAME_BYTES);
    const isCut = kept.length < record.originalBytes - start;
    const length = Math.min(record.originalBytes - start, MAX_FRAME_BYTES);
    this.#layOut(kept);
    const view = this.#lenient;
    const reason = view.load(this.#region, 0, length);
    const hasHeader = kept.length >= ETHERNET_HEADER_BYTES + TLOE_HEADER_BYTES;
    if (reason === RejectReason.tooShort || !hasHeader) {
      const violations: Violation[] = reason === RejectReason.tooShort ? ['short-frame'] : [];
      return { header: undefined, messages: [], flits: 0, isCut, violations };
    }
    return {
      header: headerOf(view),
      messages: this.#messages(view, kept.length),
      flits: view.flitCount,
      isCut,
      violations: isCut ? [] : this.#violations(reason, length),
    };
  }

  #layOut(kept: Uint8Array): void {
    this.#region.bytes.set(kept);
    this.#region.bytes.fill(0, kept.length, this.#dirtyBytes);
    this.#dirtyBytes = kept.length;
  }

  #messages(view: FrameView, keptBytes: number): MessageFields[] {
    const messages: MessageFields[] = [];
    for (let index = 0; index < view.messageCount; index++) {
      view.message(index, this.#message);
      const { channel, opcode, flitIndex } = this.#message;
      const headEnd = flitIndex + headFlits(channel, opcode);
      const endBytes = ETHERNET_HEADER_BYTES + TLOE_HEADER_BYTES + headEnd * FLIT_BYTES;
      if (endBytes > keptBytes) break;
      messages.push(fieldsOf(this.#message));
    }
    return messages;
  }

  #violations(reason: RejectReason, length: number): Violation[] {
    const found: Violation[] = [];
    const known = VIOLATION_OF_REASON[reason];
    if (known !== undefined) found.push(known);
    if (length < ETHERNET_HEADER_BYTES + MINIMUM_PAYLOAD_BYTES) found.push('short-frame');
    if (this.#lenient.channel > MAX_CHANNEL) found.push('credit-channel');
    const isClean = this.#strict.load(this.#region, 0, length) !== RejectReason.reservedBits;
    if (!isClean) found.push('reserved-bits');
    return found;
  }
}

const MAX_CHANNEL = 5;

function headerOf(view: FrameView): FrameHeader {
  return {
    vc: view.vc,
    type: view.frameType,
    sequenceNumber: view.sequenceNumber,
    sequenceNumberAck: view.sequenceNumberAck,
    isAck: view.ack === 1,
    channel: view.channel,
    credit: view.credit,
  };
}

function fieldsOf(message: MessageView): MessageFields {
  const fields = new MessageFields();
  fields.channel = message.channel;
  fields.opcode = message.opcode;
  fields.param = message.param;
  fields.sizeLog2 = message.sizeLog2;
  fields.domain = message.domain;
  fields.denied = message.denied;
  fields.corrupt = message.corrupt;
  fields.source = message.source;
  fields.sink = message.sink;
  fields.addressHigh = message.addressHigh;
  fields.addressLow = message.addressLow;
  return fields;
}
