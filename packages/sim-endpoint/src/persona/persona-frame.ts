import {
  ByteRegion,
  Channel,
  DEFAULT_ETHER_TYPE,
  ETHERNET_HEADER_BYTES,
  FLIT_BYTES,
  FrameType,
  MINIMUM_FLITS,
  MessageFields,
  TLOE_HEADER_BYTES,
  headFlits,
  headerAck,
  headerChannel,
  headerCredit,
  headerFrameType,
  headerSequenceNumber,
  headerSequenceNumberAck,
  messageFlits,
  packAcknowledgement,
  packCredit,
  packHeaderHigh,
  readMessageHead,
  writeEthernetHeader,
  writeMessageHead,
} from '@oxmem/tloe-protocol';

/** A frame as a foreign program reads it. Copies; belongs to whoever parsed it. */
export interface HeardFrame {
  readonly destination: Uint8Array;
  readonly source: Uint8Array;
  readonly type: number;
  readonly number: number;
  readonly ackNumber: number;
  readonly ack: number;
  readonly channel: number;
  readonly credit: number;
  readonly messages: readonly HeardMessage[];
}

/** A message with what follows its head, as much of it as the frame holds. */
export interface HeardMessage {
  readonly fields: MessageFields;
  readonly body: Uint8Array;
  /** What it cost its sender. */
  readonly flits: number;
}

/** A frame to send. */
export interface SaidFrame {
  readonly type: number;
  readonly number: number;
  readonly ackNumber: number;
  readonly ack: number;
  readonly channel: number;
  readonly credit: number;
  readonly messages: readonly SaidMessage[];
  /** Data from 64 bytes on loses its last word to the mask. */
  readonly losesLastWord?: boolean;
}

/** A message to send; `body` follows its head and has the right length. */
export interface SaidMessage {
  readonly fields: MessageFields;
  readonly body: Uint8Array;
}

const FLITS_AT = ETHERNET_HEADER_BYTES + TLOE_HEADER_BYTES;

/**
 * Reads a frame as trustingly as the programs that are played here: nothing is checked beyond what
 * keeps this program alive.
 *
 * @returns undefined for what is no TLoE frame, or no message where one must be
 */
export function readFrame(bytes: Uint8Array, by: 'mask' | 'structure'): HeardFrame | undefined {
  const flits = Math.floor((bytes.length - FLITS_AT) / FLIT_BYTES) - 1;
  if (flits < 0) return undefined;
  const region = new ByteRegion(bytes.slice());
  const high = region.view.getUint32(ETHERNET_HEADER_BYTES);
  const low = region.view.getUint32(ETHERNET_HEADER_BYTES + 4);
  const type = headerFrameType(high);
  const starts =
    by === 'mask' ? startsByMask(region.view, flits) : startsByStructure(region.view, flits);
  const hasBody = type !== FrameType.ackOnly;
  if (hasBody && starts === undefined) return undefined;
  return {
    destination: region.bytes.slice(0, 6),
    source: region.bytes.slice(6, 12),
    type,
    number: headerSequenceNumber(high),
    ackNumber: headerSequenceNumberAck(low),
    ack: headerAck(low),
    channel: headerChannel(low),
    credit: headerCredit(low),
    messages: hasBody ? (starts ?? []).map((flit) => readMessage(region, flit, flits)) : [],
  };
}

function startsByMask(view: DataView, flits: number): number[] {
  const at = FLITS_AT + flits * FLIT_BYTES;
  const halves = [view.getUint32(at + 4), view.getUint32(at)] as const;
  const starts: number[] = [];
  for (let flit = 0; flit < Math.min(flits, 64); flit++) {
    const half = halves[flit >> 5] as number;
    if (((half >>> (flit & 31)) & 1) === 1) starts.push(flit);
  }
  return starts;
}

/** @returns undefined where something stands that is neither padding nor a message */
function startsByStructure(view: DataView, flits: number): number[] | undefined {
  const starts: number[] = [];
  for (let flit = 0; flit < flits;) {
    const word = view.getUint32(FLITS_AT + flit * FLIT_BYTES);
    const low = view.getUint32(FLITS_AT + flit * FLIT_BYTES + 4);
    const channel = (word >>> 28) & 7;
    if (word === 0 && low === 0) {
      flit++;
      continue;
    }
    const length = messageFlits(channel, (word >>> 25) & 7, (word >>> 16) & 0xf);
    if (channel === 0 || channel > Channel.E || length === 0) return undefined;
    starts.push(flit);
    flit += length;
  }
  return starts;
}

function readMessage(region: ByteRegion, flit: number, flits: number): HeardMessage {
  const fields = new MessageFields();
  const at = FLITS_AT + flit * FLIT_BYTES;
  const word = region.view.getUint32(at);
  const [channel, opcode] = [(word >>> 28) & 7, (word >>> 25) & 7];
  const head = headFlits(channel, opcode);
  fields.channel = channel;
  if (head > 0 && flit + head <= flits) readMessageHead(region.view, at, fields);
  const cost = messageFlits(channel, opcode, fields.sizeLog2);
  const end = Math.min(FLITS_AT + flits * FLIT_BYTES, at + cost * FLIT_BYTES);
  const body = region.bytes.slice(Math.min(at + head * FLIT_BYTES, end), end);
  return { fields, body, flits: cost };
}

/** The bytes of a frame, MAC header included. */
export function writeFrame(
  said: SaidFrame,
  macs: { readonly destination: Uint8Array; readonly source: Uint8Array },
): Uint8Array {
  const bodyFlits = said.messages.reduce((sum, message) => sum + flitsOf(message), 0);
  const flits = Math.max(bodyFlits, MINIMUM_FLITS);
  // Whoever forgets the mask when counting has one word too few as soon as padding ends.
  const isShort = said.losesLastWord === true && bodyFlits > MINIMUM_FLITS;
  const region = ByteRegion.allocate(FLITS_AT + (flits + 1) * FLIT_BYTES);
  writeEthernetHeader(region.bytes, 0, { ...macs, etherType: DEFAULT_ETHER_TYPE });
  region.view.setUint32(ETHERNET_HEADER_BYTES, packHeaderHigh(said.type, said.number));
  region.view.setUint32(ETHERNET_HEADER_BYTES + 4, lowHalf(said));
  const mask = [0, 0];
  let flit = 0;
  for (const message of said.messages) {
    (mask[flit >> 5] as number) |= 1 << (flit & 31);
    const body = writeMessageHead(region.view, FLITS_AT + flit * FLIT_BYTES, message.fields);
    region.bytes.set(message.body, body);
    flit += flitsOf(message);
  }
  const at = FLITS_AT + (isShort ? flits - 1 : flits) * FLIT_BYTES;
  region.view.setInt32(at, mask[1] as number);
  region.view.setInt32(at + 4, mask[0] as number);
  return region.bytes.subarray(0, at + FLIT_BYTES);
}

/** Puts the present acknowledgement and nothing else into a frame that was sent before. */
export function refreshAcknowledgement(frame: Uint8Array, ackNumber: number, ack: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const at = ETHERNET_HEADER_BYTES + 4;
  view.setUint32(at, packAcknowledgement(ackNumber, ack) | (view.getUint32(at) & 0xff));
}

function lowHalf(said: SaidFrame): number {
  return (
    (packAcknowledgement(said.ackNumber, said.ack) | packCredit(said.channel, said.credit)) >>> 0
  );
}

function flitsOf(message: SaidMessage): number {
  const { channel, opcode } = message.fields;
  return headFlits(channel, opcode) + message.body.length / FLIT_BYTES;
}
