import { ByteRegion } from '../src/byte-region.ts';
import { linkConfig, type LinkConfig } from '../src/link/link-config.ts';
import { Link } from '../src/link/link.ts';
import type { MessageReceiver } from '../src/link/message-receiver.ts';
import type { Micros } from '../src/units.ts';
import type { RejectReason } from '../src/wire/reject-reason.ts';
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  type FrameHeader,
  type Message,
} from './naive-codec.ts';
import { flitsOf, withMacHeader } from './wire-codec.ts';

/** What a scripted frame says; the rest of its header is 0. */
export interface Said extends Partial<FrameHeader> {
  readonly messages?: readonly Message[];
}

const MTU_BYTES = 1500;
const BATCH = 64;

/**
 * One real link whose peer is a script: frames are written and read by the reference codec, and
 * nothing passes unless the script says so.
 */
export class ScriptedLink {
  readonly link: Link;
  now: Micros = 0;
  readonly #descriptors = new Int32Array(2 * BATCH);

  constructor(given: Partial<LinkConfig>, receiver: MessageReceiver) {
    const macs = {
      ownMac: Uint8Array.of(2, 0, 0, 0, 0, 1),
      peerMac: Uint8Array.of(2, 0, 0, 0, 0, 2),
    };
    const config = linkConfig({ role: 'responder', ...macs, mtuBytes: MTU_BYTES, ...given });
    this.link = new Link(config, receiver, this.now);
  }

  /** The link receives a frame. */
  say(said: Said): RejectReason {
    return this.sayBytes(encodeFrame(frameOf(said)));
  }

  /** The link receives these bytes behind a MAC header. */
  sayBytes(tloeBytes: Uint8Array): RejectReason {
    const bytes = withMacHeader(tloeBytes);
    return this.link.handleFrame(this.now, new ByteRegion(bytes), 0, bytes.length);
  }

  /** Every frame that the link wants to send now. */
  hear(): Frame[] {
    const heard: Frame[] = [];
    for (;;) {
      const count = this.link.gather(this.now, this.#descriptors);
      if (count === 0) return heard;
      const { bytes } = this.link.transmitRegion;
      for (let i = 0; i < count; i++) {
        const [offset, length] = this.#descriptors.subarray(2 * i, 2 * i + 2) as unknown as [
          number,
          number,
        ];
        const decoded = decodeFrame(bytes.slice(offset + 14, offset + length), true);
        if ('fault' in decoded) throw new Error(`the link sent a bad frame: ${decoded.fault}`);
        heard.push(decoded.frame);
      }
      this.link.commit(this.now, count);
    }
  }
}

/** A frame with its messages one behind the other, of the length that devices send. */
export function frameOf(said: Said): Frame {
  const { messages = [], ...header } = said;
  let flit = 0;
  const placed = messages.map((message) => {
    const flitIndex = flit;
    flit += flitsOf(message);
    return { ...message, flitIndex };
  });
  const empty = { vc: 0, frameType: 0, sequenceNumber: 0, sequenceNumberAck: 0, ack: 1 };
  return {
    header: { ...empty, channel: 0, credit: 0, ...header },
    flitCount: Math.max(5, flit),
    messages: placed,
  };
}
