/** Frames made by hand, right or wrong, for tests that put them on the wire themselves. */
import { FrameSlab, RawSocket } from '@oxmem/rawsock';
import {
  DEFAULT_ETHER_TYPE,
  packAcknowledgement,
  packCredit,
  packHeaderHigh,
} from '@oxmem/tloe-protocol';
import { parseMac } from '@oxmem/tloe-protocol/text';

/** What is not given is that of a frame in good order: a numbered one without a message. */
export interface HandmadeFrame {
  /** MAC addresses as text. */
  readonly to: string;
  readonly from: string;
  readonly etherType?: number;
  /** One of FrameType, or any number up to 15. */
  readonly type?: number;
  readonly sequenceNumber?: number;
  readonly sequenceNumberAck?: number;
  readonly isAck?: boolean;
  readonly vc?: number;
  /** What the frame returns: 2^exponent flits of a channel. */
  readonly credit?: { readonly channel: number; readonly exponent: number };
  /** Words between TLoE header and frame mask, padded with zeros to five. */
  readonly flits?: readonly bigint[];
  readonly mask?: bigint;
  /** Cut to, or filled with zeros up to so many bytes, MAC header included. */
  readonly lengthBytes?: number;
}

/** The bytes of a frame. */
export function makeFrame(frame: HandmadeFrame): Uint8Array {
  const { type = 0, sequenceNumber = 0, sequenceNumberAck = 0, isAck = true, vc = 0 } = frame;
  const given = frame.flits ?? [];
  const flits = [...given, ...Array.from({ length: Math.max(0, 5 - given.length) }, () => 0n)];
  const bytes = Buffer.alloc(14 + 8 + 8 * flits.length + 8);
  bytes.set(macBytes(frame.to), 0);
  bytes.set(macBytes(frame.from), 6);
  bytes.writeUInt16BE(frame.etherType ?? DEFAULT_ETHER_TYPE, 12);
  bytes.writeUInt32BE((packHeaderHigh(type, sequenceNumber) | (vc << 29)) >>> 0, 14);
  const { channel, exponent } = frame.credit ?? { channel: 0, exponent: 0 };
  const low = packAcknowledgement(sequenceNumberAck, isAck ? 1 : 0) | packCredit(channel, exponent);
  bytes.writeUInt32BE(low >>> 0, 18);
  flits.forEach((flit, index) => bytes.writeBigUInt64BE(flit, 22 + 8 * index));
  bytes.writeBigUInt64BE(frame.mask ?? 0n, bytes.length - 8);
  const { lengthBytes = bytes.length } = frame;
  const result = new Uint8Array(lengthBytes);
  result.set(bytes.subarray(0, lengthBytes));
  return result;
}

/** The first word of a TileLink message. OmniXtend 1.0.3 §3.2. */
export function messageWord(fields: {
  readonly channel: number;
  readonly opcode: number;
  readonly sizeLog2: number;
  readonly source?: number;
}): bigint {
  const { channel, opcode, sizeLog2, source = 0 } = fields;
  const high = (channel << 28) | (opcode << 25) | (sizeLog2 << 16);
  return (BigInt(high >>> 0) << 32n) | BigInt(source);
}

/** Sends frames through one interface of this namespace. */
export class FrameSender {
  readonly #socket: RawSocket;
  readonly #slab: FrameSlab;

  constructor(interfaceName: string) {
    this.#socket = RawSocket.open({ interfaceName, etherType: DEFAULT_ETHER_TYPE });
    this.#slab = new FrameSlab(1, this.#socket.mtuBytes);
  }

  /** @throws Error when the kernel did not take it */
  send(frame: Uint8Array): void {
    const errorsBefore = this.#socket.counters().sendErrors;
    this.#slab.put(0, frame);
    const taken = this.#socket.sendBatch(this.#slab, this.#slab.descriptors, 0, 1);
    if (taken !== 1 || this.#socket.counters().sendErrors !== errorsBefore) {
      throw new Error(`a frame of ${frame.length} bytes was not sent`);
    }
  }

  close(): void {
    this.#socket.close();
  }
}

function macBytes(text: string): Uint8Array {
  const bytes = parseMac(text);
  if (bytes === undefined) throw new Error(`${text} is no MAC address`);
  return bytes;
}
