import {
  ByteRegion,
  CHANNEL_NAMES,
  FrameType,
  FrameView,
  RejectReason,
  plainFrameBytes,
  plainMessagesOf,
  type PlainMessage,
} from '@oxmem/tloe-protocol';
import type { MemoryTransport } from '@oxmem/tloe-protocol/testing';
import type { VirtualEndpoint } from '../src/index.ts';

/** A frame to send, field by field. */
export interface ScriptedFrame {
  readonly type?: FrameType;
  readonly seq: number;
  /** Default: nothing received yet. */
  readonly seqAck?: number;
  readonly ack?: 0 | 1;
  readonly channel?: number;
  readonly credit?: number;
  readonly messages?: readonly ScriptedMessage[];
}

/** A message to send; what is missing is zero. `body` follows the head. */
export type ScriptedMessage = PlainMessage;

/** A frame of the endpoint. */
export interface HeardFrame {
  /** The TLoE header as 8 bytes in hexadecimal, a space after each but the last. */
  readonly header: string;
  /** Everything behind the MAC header, written likewise. */
  readonly hex: string;
  readonly type: number;
  readonly seq: number;
  readonly messages: readonly HeardMessage[];
}

export interface HeardMessage {
  readonly channel: string;
  readonly opcode: number;
  readonly sizeLog2: number;
  readonly source: number;
  readonly denied: boolean;
  readonly corrupt: boolean;
  readonly param: number;
  /** What follows the head. */
  readonly body: Uint8Array;
}

/** An initiator that says exactly what it is told to, and writes down what it hears. */
export class ScriptedPeer {
  readonly transport: MemoryTransport;
  readonly #endpoint: VirtualEndpoint;
  readonly #region = ByteRegion.allocate(2048);
  #heard: HeardFrame[] = [];

  constructor(endpoint: VirtualEndpoint, mac?: Uint8Array) {
    this.#endpoint = endpoint;
    this.transport = endpoint.attach(mac === undefined ? {} : { mac });
    this.transport.start({
      onReceiveBatch: (count) => {
        for (let i = 0; i < count; i++) this.#hear(i);
      },
      onWritable: () => {},
      onFailure: (error) => {
        throw error;
      },
    });
  }

  /** Sends frames, lets `micros` pass, and returns what was heard since the last call. */
  talk(frames: readonly ScriptedFrame[], micros: number): HeardFrame[] {
    for (const frame of frames) this.send(frame);
    this.#endpoint.clock.advanceBy(micros);
    const heard = this.#heard;
    this.#heard = [];
    return heard;
  }

  /** Opens as the C driver does: an Open that grants A, and a frame that grants D. */
  open(micros = 50): HeardFrame[] {
    return this.talk([OPEN, { seq: 1, ack: 1, seqAck: 0x3fffff, channel: 4, credit: 20 }], micros);
  }

  send(frame: ScriptedFrame): void {
    this.sendBytes(this.bytesOf(frame));
  }

  /** Sends any bytes as they are; `bytes` begin with the MAC header. */
  sendBytes(bytes: Uint8Array): void {
    this.#region.bytes.set(bytes, 2);
    this.transport.sendBatch(this.#region, Int32Array.of(2, bytes.length), 0, 1);
  }

  /** The bytes of a frame, MAC header included. */
  bytesOf(frame: ScriptedFrame): Uint8Array {
    const { seq, seqAck = 0x3fffff, ...rest } = frame;
    return plainFrameBytes({
      destination: this.#endpoint.endpointMac,
      source: this.transport.ownMac,
      sequenceNumber: seq,
      sequenceNumberAck: seqAck,
      ...rest,
    });
  }

  #hear(index: number): void {
    const { receiveDescriptors, receiveRegion } = this.transport;
    const offset = receiveDescriptors[2 * index] as number;
    const length = receiveDescriptors[2 * index + 1] as number;
    const view = new FrameView();
    const reason = view.load(receiveRegion, offset, length);
    if (reason !== RejectReason.none) throw new Error(`the endpoint sent a bad frame: ${reason}`);
    const messages = plainMessagesOf(view).map((message) => {
      const channel = CHANNEL_NAMES[message.channel] as string;
      return Object.assign({}, message, { channel });
    });
    const text = hex(receiveRegion.bytes.subarray(offset + 14, offset + length));
    this.#heard.push({
      header: text.slice(0, 23),
      hex: text,
      type: view.frameType,
      seq: view.sequenceNumber,
      messages,
    });
  }
}

/** The Open of the C driver: seq 0, nothing received, grants 2^20 flits of A, ack bit 0. */
export const OPEN: ScriptedFrame = {
  type: FrameType.open,
  seq: 0,
  ack: 0,
  channel: 1,
  credit: 20,
};

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}
