import {
  ByteRegion,
  DEFAULT_ETHER_TYPE,
  ETHERNET_HEADER_BYTES,
  FrameType,
  headerFrameType,
  headerSequenceNumber,
  headerSequenceNumberAck,
  packAcknowledgement,
  packCredit,
  packHeaderHigh,
} from '@oxmem/tloe-protocol';
import type { MemoryTransport, Prng } from '@oxmem/tloe-protocol/testing';
import { MAX_FRAME_BYTES, writeHostileFrame, type Situation } from './hostile-frame.ts';

/** An interface from which anything may come, in anybody's name. It remembers where it is. */
export class HostileStation {
  framesSent = 0;
  framesHeard = 0;
  readonly #transport: MemoryTransport;
  readonly #region = ByteRegion.allocate(MAX_FRAME_BYTES);
  readonly #descriptor = new Int32Array(2);
  #next = 0;
  #heard = 0;

  constructor(transport: MemoryTransport) {
    this.#transport = transport;
    transport.start({
      onReceiveBatch: (count) => this.#hear(count),
      onWritable: () => {},
      onFailure: () => {},
    });
  }

  /** The five frames with which a connection is opened, with more or less credit. */
  open(prng: Prng, situation: Omit<Situation, 'next' | 'heard'>): void {
    const { bytes, view } = this.#region;
    bytes.fill(0, 0, OPENING_FRAME_BYTES);
    bytes.set(situation.to, 0);
    bytes.set(situation.from, 6);
    view.setUint16(12, DEFAULT_ETHER_TYPE);
    for (let channel = 1; channel <= 5; channel++) {
      const type = channel === 1 ? FrameType.open : FrameType.normal;
      view.setUint32(ETHERNET_HEADER_BYTES, packHeaderHigh(type, channel - 1));
      const credit = packCredit(channel, prng.between(2, 16));
      view.setUint32(ETHERNET_HEADER_BYTES + 4, packAcknowledgement(0x3fffff, 1) | credit);
      this.#send(OPENING_FRAME_BYTES);
    }
    this.#next = 5;
    this.#heard = 0x3fffff;
  }

  /** One frame that was made for the occasion. */
  attack(prng: Prng, target: Omit<Situation, 'next' | 'heard'>): void {
    const situation = { ...target, next: this.#next, heard: this.#heard };
    const length = writeHostileFrame(prng, situation, this.#region.bytes);
    const high = this.#region.view.getUint32(ETHERNET_HEADER_BYTES);
    const isNext = headerSequenceNumber(high) === this.#next;
    if (isNext && headerFrameType(high) !== FrameType.ackOnly) this.#next = (this.#next + 1) & MASK;
    this.#send(length);
  }

  /** Where a dialogue between others is, for one who listens to it. */
  knows(next: number, heard: number): void {
    this.#next = next;
    this.#heard = heard;
  }

  #send(length: number): void {
    this.#descriptor[1] = length;
    this.#transport.sendBatch(this.#region, this.#descriptor, 0, 1);
    this.framesSent++;
  }

  #hear(count: number): void {
    const { receiveRegion, receiveDescriptors } = this.#transport;
    this.framesHeard += count;
    for (let i = 0; i < count; i++) {
      const at = (receiveDescriptors[2 * i] as number) + ETHERNET_HEADER_BYTES;
      const high = receiveRegion.view.getUint32(at);
      if (headerFrameType(high) !== FrameType.ackOnly) this.#heard = headerSequenceNumber(high);
      // Where the receiver says it is, there we go on.
      const acknowledged = headerSequenceNumberAck(receiveRegion.view.getUint32(at + 4));
      this.#next = (acknowledged + 1) & MASK;
    }
  }
}

const MASK = 0x3fffff;
/** A header, five words of padding, and the mask. */
const OPENING_FRAME_BYTES = ETHERNET_HEADER_BYTES + 8 + 5 * 8 + 8;
