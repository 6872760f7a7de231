import { plainFrameBytes, type PlainFrame } from '@oxmem/tloe-protocol';
import { LINK_TYPE_ETHERNET } from '../src/capture/capture-record.ts';
import { FrameDecoder, type DecodedFrame, type DecoderOptions } from '../src/index.ts';

const INITIATOR = Uint8Array.of(2, 0, 0, 0, 0, 0x0a);
const ENDPOINT = Uint8Array.of(2, 0, 0, 0, 0, 0x0b);
const NOTHING = 0x3fffff;

/** A frame of a talk; what is missing is Normal, number 0, nothing acknowledged. */
export type TalkFrame = Partial<Omit<PlainFrame, 'source' | 'destination'>>;

/** A decoder that is told frames one by one, 100 us apart. */
export class DecodedTalk {
  readonly decoder: FrameDecoder;
  #micros = 0;

  constructor(options: DecoderOptions = {}) {
    this.decoder = new FrameDecoder(options);
  }

  /** The initiator says something. */
  ask(frame: TalkFrame, spoil?: (bytes: Uint8Array) => Uint8Array): DecodedFrame {
    return this.#say({ source: INITIATOR, destination: ENDPOINT }, frame, spoil);
  }

  /** The endpoint says something. */
  answer(frame: TalkFrame, spoil?: (bytes: Uint8Array) => Uint8Array): DecodedFrame {
    return this.#say({ source: ENDPOINT, destination: INITIATOR }, frame, spoil);
  }

  /** Both open; then numbers go on from 2, with credits for 1024 flits on A, C and D each. */
  open(): this {
    this.ask({ type: 2, channel: 4, credit: 10 });
    this.answer({ sequenceNumber: 0, sequenceNumberAck: 0, channel: 1, credit: 10 });
    this.answer({ sequenceNumber: 1, sequenceNumberAck: 0, channel: 3, credit: 10 });
    this.ask({ sequenceNumber: 1, sequenceNumberAck: 1 });
    return this;
  }

  /** A frame as a capture has it; undefined: it was passed over. */
  record(bytes: Uint8Array, originalBytes: number = bytes.length): DecodedFrame | undefined {
    this.#micros += 100;
    const time = {
      seconds: 5 + Math.floor(this.#micros / 1e6),
      nanos: (this.#micros % 1e6) * 1000,
    };
    return this.decoder.decode({ ...time, linkType: LINK_TYPE_ETHERNET, bytes, originalBytes });
  }

  #say(
    macs: Pick<PlainFrame, 'source' | 'destination'>,
    frame: TalkFrame,
    spoil: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes,
  ): DecodedFrame {
    const numbers = { sequenceNumber: 0, sequenceNumberAck: NOTHING };
    const decoded = this.record(spoil(plainFrameBytes({ ...macs, ...numbers, ...frame })));
    if (decoded === undefined) throw new Error('the frame was passed over');
    return decoded;
  }
}
