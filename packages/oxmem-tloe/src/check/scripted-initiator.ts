import {
  ByteRegion,
  CHANNEL_TABLE_SIZE,
  Channel,
  DEFAULT_ETHER_TYPE,
  FrameType,
  FrameView,
  HALF_SEQUENCE_SPACE,
  MILLISECOND,
  NOTHING_RECEIVED,
  isMacAt,
  messageFlits,
  plainFrameBytes,
  plainMessagesOf,
  sequenceAfter,
  sequenceDistance,
  type Clock,
  type FrameTransport,
  type Micros,
  type PlainFrame,
  type PlainMessage,
} from '@oxmem/tloe-protocol';
import { LINK_TYPE_ETHERNET } from '../capture/capture-record.ts';
import { FrameReader } from '../decode/frame-reading.ts';
import type { HeardFrame } from './heard-frame.ts';
import { Waiter } from './waiter.ts';

/** Where a scripted initiator stands. */
export interface ScriptPlace {
  /** Belongs to the initiator from now on. */
  readonly transport: FrameTransport;
  readonly clock: Clock;
  readonly endpointMac: Uint8Array;
  readonly etherType?: number | undefined;
}

/** A frame to send; what is missing is what an initiator in good order would say. */
export type ScriptedFrame = Partial<Omit<PlainFrame, 'source'>>;

/** Numbers and credits of a connection. */
export interface Bookmark {
  readonly next: number;
  readonly expected: number;
  readonly acked: number;
  readonly credits: Float64Array;
  readonly seen: ReadonlySet<number>;
}

/** Frames that are remembered; a dialogue looks at far fewer. */
const MAX_HEARD = 4096;

/**
 * An initiator that says exactly what it is told to and writes down what it hears. It is no engine:
 * it keeps numbers and acknowledges what comes, unless it is told not to, and resends nothing.
 */
export class ScriptedInitiator {
  /** Frames of the endpoint since the dialogue began. */
  heard: HeardFrame[] = [];
  /** Frames of the endpoint's neighbours to us. */
  strangers = 0;
  /** Number of our next frame, and the one that we expect. */
  next = 0;
  expected = 0;
  /** Our frames that the endpoint has acknowledged, the last of them. */
  acked: number = NOTHING_RECEIVED;
  /** Whether what comes is acknowledged at once. */
  isAcking = true;
  /** Flits that we may send, by channel. */
  readonly credits: Float64Array = new Float64Array(CHANNEL_TABLE_SIZE);
  readonly clock: Clock;
  readonly ownMac: Uint8Array;
  readonly mtuBytes: number;
  readonly #place: ScriptPlace;
  readonly #transport: FrameTransport;
  readonly #reader: FrameReader;
  readonly #view = new FrameView();
  readonly #sendRegion: ByteRegion;
  #seen = new Set<number>();
  readonly #waiter: Waiter;
  #source = 0;
  /** Why the wire is of no more use. */
  failure: Error | undefined = undefined;

  constructor(place: ScriptPlace) {
    this.#place = place;
    this.#transport = place.transport;
    this.clock = place.clock;
    this.ownMac = place.transport.ownMac;
    this.mtuBytes = place.transport.mtuBytes;
    this.#reader = new FrameReader(place.etherType ?? DEFAULT_ETHER_TYPE);
    this.#sendRegion = ByteRegion.allocate(MAX_FRAME_BYTES);
    this.#waiter = new Waiter(place.clock);
    place.transport.start({
      onReceiveBatch: (count) => this.#hearBatch(count),
      onWritable: () => {},
      onFailure: (error) => {
        this.failure = error;
      },
    });
  }

  /** Where the connection stands, to come back to. */
  bookmark(): Bookmark {
    const { next, expected, acked } = this;
    return { next, expected, acked, credits: this.credits.slice(), seen: new Set(this.#seen) };
  }

  /** Goes on with an older connection. */
  returnTo({ next, expected, acked, credits, seen }: Bookmark): void {
    Object.assign(this, { next, expected, acked });
    this.credits.set(credits);
    this.#seen = new Set(seen);
  }

  /** Forgets what was heard and all numbers, as one that has just started. */
  reset(): void {
    this.forget();
    this.next = 0;
    this.expected = 0;
    this.acked = NOTHING_RECEIVED;
    this.credits.fill(0);
    this.#seen.clear();
  }

  /** Forgets what was heard. */
  forget(): void {
    this.heard = [];
    this.strangers = 0;
  }

  /** A source that was not used for long: a late answer is not taken for another. */
  takeSource(): number {
    this.#source = (this.#source + 1) % SOURCES;
    return this.#source;
  }

  /** Sends a frame that takes no number of ours unless it says one. */
  send(frame: ScriptedFrame): void {
    this.sendBytes(this.bytesOf(frame));
  }

  /** Sends a frame under our next number. @returns its bytes, to be sent again */
  sendNumbered(frame: ScriptedFrame = {}): Uint8Array {
    const bytes = this.bytesOf({ sequenceNumber: this.next, ...frame });
    this.next = sequenceAfter(this.next, 1);
    for (const message of frame.messages ?? []) this.#spend(message);
    this.sendBytes(bytes);
    return bytes;
  }

  /** Sends an AckOnly with our next number. */
  sendAck(frame: ScriptedFrame = {}): void {
    this.send({ type: FrameType.ackOnly, ...frame });
  }

  /** Sends any bytes as they are, MAC header first. */
  sendBytes(bytes: Uint8Array): void {
    this.#sendRegion.bytes.set(bytes, SEND_OFFSET);
    this.#transport.sendBatch(this.#sendRegion, Int32Array.of(SEND_OFFSET, bytes.length), 0, 1);
  }

  /** The bytes of a frame. */
  bytesOf(frame: ScriptedFrame): Uint8Array {
    return plainFrameBytes({
      destination: this.#place.endpointMac,
      source: this.ownMac,
      etherType: this.#place.etherType ?? DEFAULT_ETHER_TYPE,
      sequenceNumber: this.next,
      sequenceNumberAck: sequenceAfter(this.expected, -1),
      ...frame,
    });
  }

  /** Lets time pass. */
  async pause(micros: Micros): Promise<void> {
    await this.#waiter.wait(() => false, micros);
  }

  /** Waits for something to become true, but not longer. @returns whether it has */
  async until(condition: () => boolean, micros: Micros): Promise<boolean> {
    return this.#waiter.wait(condition, micros);
  }

  /** Whether the endpoint has acknowledged this number of ours. */
  hasAcked(number: number): boolean {
    return sequenceDistance(number, this.acked) < HALF_SEQUENCE_SPACE;
  }

  /** Leaves the wire. */
  close(): void {
    this.#waiter.close();
    this.#transport.close();
  }

  #spend(message: PlainMessage): void {
    const { channel } = message;
    (this.credits[channel] as number) -= costOf(message);
  }

  #hearBatch(count: number): void {
    const { receiveDescriptors: descriptors, receiveRegion } = this.#transport;
    let isAckDue = false;
    for (let i = 0; i < count; i++) {
      const offset = descriptors[2 * i] as number;
      const length = descriptors[2 * i + 1] as number;
      const frame = this.#hear(receiveRegion.bytes.slice(offset, offset + length));
      if (frame !== undefined && frame.type !== FrameType.ackOnly) isAckDue = true;
    }
    if (isAckDue && this.isAcking) this.sendAck();
    this.#waiter.look();
  }

  #hear(bytes: Uint8Array): HeardFrame | undefined {
    const record = {
      seconds: 0,
      nanos: 0,
      linkType: LINK_TYPE_ETHERNET,
      bytes,
      originalBytes: bytes.length,
    };
    const start = this.#reader.startOf(record);
    if (start !== 0 || !isMacAt(bytes, 0, this.ownMac)) return undefined;
    if (!isMacAt(bytes, 6, this.#place.endpointMac)) {
      this.strangers++;
      return undefined;
    }
    const { header, violations } = this.#reader.read(record, start);
    if (header === undefined) return undefined;
    this.#view.load(new ByteRegion(bytes), 0, bytes.length);
    const isNumbered = header.type !== FrameType.ackOnly;
    const frame: HeardFrame = {
      ...header,
      at: this.clock.now(),
      messages: plainMessagesOf(this.#view),
      isRepeated: isNumbered && this.#seen.has(header.sequenceNumber),
      violations,
      bytes,
    };
    if (isNumbered) this.#takeNumbered(frame);
    const ahead = sequenceDistance(this.acked, frame.sequenceNumberAck);
    if (ahead < HALF_SEQUENCE_SPACE) this.acked = frame.sequenceNumberAck;
    this.heard.push(frame);
    if (this.heard.length > MAX_HEARD) this.heard.shift();
    return frame;
  }

  #takeNumbered({ sequenceNumber, isRepeated, channel, credit }: HeardFrame): void {
    if (isRepeated) return;
    this.#seen.add(sequenceNumber);
    if (channel >= Channel.A && channel <= Channel.E) {
      (this.credits[channel] as number) += 2 ** credit;
    }
    // What is missing is not waited for: an endpoint that loses frames is judged, not cured.
    const isAhead = sequenceDistance(this.expected, sequenceNumber) < HALF_SEQUENCE_SPACE;
    if (isAhead) this.expected = sequenceAfter(sequenceNumber, 1);
  }
}

/** Flits of a message, which is what it costs. */
function costOf({ channel, opcode, sizeLog2 = 0 }: PlainMessage): number {
  return messageFlits(channel, opcode, sizeLog2);
}

const SOURCES = 4096;
/** Puts what follows the MAC header on a word. */
const SEND_OFFSET = 2;
const MAX_FRAME_BYTES = 9216;
/** How long an answer may take before it counts as silence. */
export const PATIENCE: Micros = 1000 * MILLISECOND;
/** How long is listened for what must not come. */
export const QUIET: Micros = 300 * MILLISECOND;
