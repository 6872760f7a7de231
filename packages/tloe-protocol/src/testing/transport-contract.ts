import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { ByteRegion } from '../byte-region.ts';
import type { FrameTransport } from '../host/frame-transport.ts';

/** Two transports on one wire that loses nothing at the pace of the suite, freshly made. */
export interface TransportPair {
  readonly a: FrameTransport;
  readonly b: FrameTransport;
  /** Lets things happen until `isReached`; fails the test when that takes unreasonably long. */
  until(isReached: () => boolean): Promise<void>;
  /** Lets things happen until nothing more can come from what has been sent so far. */
  quiet(): Promise<void>;
  /** Gives back everything, whether or not the transports are closed already. */
  dispose(): Promise<void>;
}

/** The runs of the suite that not every transport can offer. */
export interface TransportContractOptions {
  /**
   * A pair whose `a` is full after fewer than 1 000 frames of full size sent without a pause, and
   * loses none of those that it took. Left out for transports that never
   * refuse a frame: they have no back-pressure to show.
   */
  readonly makeNarrowPair?: () => Promise<TransportPair>;
}

/**
 * The suite that every `FrameTransport` must pass. Frames carry EtherType 0xAAAA, and the addresses
 * of the two ends.
 */
export function describeTransportContract(
  name: string,
  makePair: () => Promise<TransportPair>,
  options: TransportContractOptions = {},
): void {
  describe(`${name}, as a frame transport`, () => {
    describeFacts(makePair);
    describeDelivery(makePair);
    describeSending(makePair);
    describeClosing(makePair);
    describeBackPressure(options.makeNarrowPair);
  });
}

function describeFacts(makePair: () => Promise<TransportPair>): void {
  const rig = useRig(makePair);

  it('states its MTU, its address and the shape of its receive memory', () => {
    for (const end of [rig.a, rig.b]) {
      expect(end.transport.mtuBytes).toBeGreaterThanOrEqual(SMALLEST_PAYLOAD_BYTES);
      expect(end.transport.ownMac).toHaveLength(6);
      expect(end.transport.receiveDescriptors.length).toBeGreaterThanOrEqual(2);
      expect(end.transport.receiveDescriptors.length % 2).toBe(0);
    }
    expect(rig.a.transport.ownMac).not.toEqual(rig.b.transport.ownMac);
  });
}

function describeDelivery(makePair: () => Promise<TransportPair>): void {
  const rig = useRig(makePair);

  it('delivers a frame unchanged in each direction', async () => {
    await rig.exchange(rig.a, [100]);
    await rig.exchange(rig.b, [101]);
  });

  it('delivers frames of every payload length from the smallest to the MTU', async () => {
    const largest = rig.a.transport.mtuBytes;
    const lengths = [46, 47, 48, 49, 50, 51, 52, 53, 54, 70, 71, 100, 256, 511, 512, 1023, 1024];
    await rig.exchange(rig.a, [...lengths.filter((length) => length < largest), largest]);
  });

  it('keeps the order of frames within a batch and from batch to batch', async () => {
    for (const count of [1, 2, 3, 17, 64, 5]) {
      await rig.exchange(
        rig.a,
        Array.from({ length: count }, (_, i) => 46 + ((i * 37) % 900)),
      );
    }
    expect(rig.b.frames).toHaveLength(92);
  });

  it('puts each frame inside its region, at an offset of 2 modulo 8, in batches that fit', async () => {
    await rig.exchange(
      rig.a,
      Array.from({ length: 64 }, (_, i) => 46 + i),
    );
    const { receiveRegion, receiveDescriptors } = rig.b.transport;
    for (const { offset, length } of rig.b.places) {
      expect(offset % 8).toBe(2);
      expect(offset).toBeGreaterThanOrEqual(0);
      expect(offset + length).toBeLessThanOrEqual(receiveRegion.bytes.length);
    }
    expect(Math.min(...rig.b.batches)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...rig.b.batches)).toBeLessThanOrEqual(receiveDescriptors.length / 2);
  });

  it('gives each frame of a batch bytes of its own', async () => {
    await rig.exchange(
      rig.a,
      Array.from({ length: 64 }, () => 60),
    );
    expect(rig.b.overlaps).toBe(0);
  });

  it('carries frames both ways at the same time', async () => {
    const sentByA = rig.a.send(Array.from({ length: 32 }, () => 200));
    const sentByB = rig.b.send(Array.from({ length: 32 }, () => 300));
    await rig.pair.until(() => rig.a.frames.length >= 32 && rig.b.frames.length >= 32);
    expectSameFrames(rig.b.frames, sentByA);
    expectSameFrames(rig.a.frames, sentByB);
  });
}

function describeSending(makePair: () => Promise<TransportPair>): void {
  const rig = useRig(makePair);

  it('has done with the bytes of a frame when sendBatch returns', async () => {
    const sent = rig.a.send([500, 600]);
    rig.a.region.bytes.fill(0xee);
    rig.a.descriptors.fill(-1);
    await rig.pair.until(() => rig.b.frames.length >= 2);
    expectSameFrames(rig.b.frames, sent);
  });

  it('sends the frames from `first` on, and no others', async () => {
    const prepared = rig.a.prepare([60, 61, 62, 63, 64]);
    expect(rig.a.transport.sendBatch(rig.a.region, rig.a.descriptors, 1, 3)).toBe(3);
    await rig.pair.until(() => rig.b.frames.length >= 3);
    await rig.pair.quiet();
    expectSameFrames(rig.b.frames, prepared.slice(1, 4));
  });

  it('sends nothing when asked for no frames', async () => {
    rig.a.prepare([60]);
    expect(rig.a.transport.sendBatch(rig.a.region, rig.a.descriptors, 0, 0)).toBe(0);
    await rig.pair.quiet();
    expect(rig.b.frames).toEqual([]);
  });

  it('never delivers inside the call of a sender', async () => {
    let isSending = false;
    let deliveriesInside = 0;
    for (const end of [rig.a, rig.b]) {
      end.onBatch = () => {
        if (isSending) deliveriesInside += 1;
      };
    }
    isSending = true;
    rig.a.send([60, 61]);
    rig.b.send([62, 63]);
    isSending = false;
    await rig.pair.until(() => rig.a.frames.length >= 2 && rig.b.frames.length >= 2);
    expect(deliveriesInside).toBe(0);
  });

  it('may be used to answer from inside a handler', async () => {
    let answer: Uint8Array[] = [];
    rig.b.onBatch = () => {
      answer = [...answer, ...rig.b.send([77])];
    };
    rig.a.send([60]);
    await rig.pair.until(() => rig.a.frames.length >= 1);
    expectSameFrames(rig.a.frames, answer);
  });
}

function describeClosing(makePair: () => Promise<TransportPair>): void {
  const rig = useRig(makePair);

  it('may be closed twice, and before it was started', async () => {
    rig.a.transport.close();
    rig.a.transport.close();
    const other = await makePair();
    other.a.close();
    other.a.close();
    await other.dispose();
  });

  it('calls no handler after close, not even for frames on their way', async () => {
    rig.a.send([60, 61]);
    rig.b.transport.close();
    rig.a.send([62]);
    await rig.pair.quiet();
    expect(rig.b.calls).toBe(0);
  });

  it('may be closed by its own handler, and then calls it no more', async () => {
    rig.b.onBatch = () => rig.b.transport.close();
    for (let i = 0; i < 3; i++) rig.a.send(Array.from({ length: SLOTS }, () => 60));
    await rig.pair.until(() => rig.b.calls > 0);
    rig.a.send([61]);
    await rig.pair.quiet();
    expect(rig.b.calls).toBe(1);
  });

  it('leaves the other end usable when one end closes', async () => {
    rig.b.transport.close();
    const sent = rig.a.transport.sendBatch(rig.a.region, rig.a.descriptors, 0, rig.a.fill([60]));
    expect(sent).toBe(1);
    await rig.pair.quiet();
    expect(rig.a.failures).toEqual([]);
  });
}

function describeBackPressure(makePair: (() => Promise<TransportPair>) | undefined): void {
  if (makePair === undefined) return;
  const rig = useRig(makePair);

  it('takes fewer frames when it is full, and says when there is room again', async () => {
    const sent: Uint8Array[] = [];
    let shortCounts = 0;
    const sendUntilFull = (): void => {
      while (sent.length < FRAMES_TO_FILL) {
        const frames = rig.a.prepare(Array.from({ length: 8 }, () => rig.a.transport.mtuBytes));
        const taken = rig.a.transport.sendBatch(rig.a.region, rig.a.descriptors, 0, 8);
        sent.push(...frames.slice(0, taken));
        if (taken === 8) continue;
        shortCounts += 1;
        return;
      }
    };
    rig.a.onWritable = sendUntilFull;
    sendUntilFull();
    expect(shortCounts).toBe(1);
    await rig.pair.until(() => sent.length >= FRAMES_TO_FILL);
    await rig.pair.until(() => rig.b.frames.length >= sent.length);
    expect(rig.a.writableCalls).toBeGreaterThanOrEqual(1);
    expectSameFrames(rig.b.frames, sent);
  });

  it('does not say that there is room when nobody was refused', async () => {
    rig.a.send([60]);
    await rig.pair.until(() => rig.b.frames.length >= 1);
    await rig.pair.quiet();
    expect(rig.a.writableCalls).toBe(0);
  });
}

/** A fresh pair for each test of the surrounding block, both ends started. */
function useRig(makePair: () => Promise<TransportPair>): Rig {
  const rig = new Rig();
  beforeEach(async () => rig.start(await makePair()));
  afterEach(() => rig.pair.dispose());
  return rig;
}

class Rig {
  pair!: TransportPair;
  a!: TransportEnd;
  b!: TransportEnd;

  start(pair: TransportPair): void {
    this.pair = pair;
    this.a = new TransportEnd(pair.a, pair.b.ownMac);
    this.b = new TransportEnd(pair.b, pair.a.ownMac);
  }

  /** Sends frames with these payload lengths and expects them at the other end. */
  async exchange(from: TransportEnd, payloadLengths: number[]): Promise<void> {
    const to = from === this.a ? this.b : this.a;
    const already = to.frames.length;
    const sent = from.send(payloadLengths);
    await this.pair.until(() => to.frames.length >= already + sent.length);
    expectSameFrames(to.frames.slice(already), sent);
    expect([...this.a.failures, ...this.b.failures]).toEqual([]);
  }
}

/** One end of the pair, its memory for sending, and all that it was told. */
class TransportEnd {
  readonly transport: FrameTransport;
  readonly region: ByteRegion;
  readonly descriptors: Int32Array = new Int32Array(2 * SLOTS);
  readonly frames: Uint8Array[] = [];
  readonly places: { offset: number; length: number }[] = [];
  readonly batches: number[] = [];
  readonly failures: Error[] = [];
  overlaps = 0;
  calls = 0;
  writableCalls = 0;
  onBatch: () => void = () => {};
  onWritable: () => void = () => {};
  readonly #peerMac: Uint8Array;
  readonly #slotBytes: number;
  #serial = 0;

  constructor(transport: FrameTransport, peerMac: Uint8Array) {
    this.transport = transport;
    this.#peerMac = peerMac;
    this.#slotBytes = (2 + MAC_HEADER_BYTES + transport.mtuBytes + 7) & ~7;
    this.region = ByteRegion.allocate(SLOTS * this.#slotBytes);
    transport.start({
      onReceiveBatch: (count) => this.#receive(count),
      onWritable: () => {
        this.calls += 1;
        this.writableCalls += 1;
        this.onWritable();
      },
      onFailure: (error) => this.failures.push(error),
    });
  }

  /** Makes frames with these payload lengths in the memory for sending; returns copies. */
  prepare(payloadLengths: readonly number[]): Uint8Array[] {
    return payloadLengths.map((payloadLength, slot) => {
      const offset = slot * this.#slotBytes + 2;
      const length = MAC_HEADER_BYTES + payloadLength;
      const frame = this.region.bytes.subarray(offset, offset + length);
      frame.set(this.#peerMac, 0);
      frame.set(this.transport.ownMac, 6);
      frame[12] = ETHER_TYPE_BYTE;
      frame[13] = ETHER_TYPE_BYTE;
      const serial = this.#serial++;
      for (let i = MAC_HEADER_BYTES; i < length; i++) frame[i] = (serial * 31 + i * 7) & 0xff;
      new DataView(frame.buffer, frame.byteOffset).setUint32(MAC_HEADER_BYTES, serial);
      this.descriptors[2 * slot] = offset;
      this.descriptors[2 * slot + 1] = length;
      return frame.slice();
    });
  }

  /** `prepare`; returns how many. */
  fill(payloadLengths: readonly number[]): number {
    return this.prepare(payloadLengths).length;
  }

  /** Prepares and sends; all must be taken. */
  send(payloadLengths: readonly number[]): Uint8Array[] {
    const frames = this.prepare(payloadLengths);
    const taken = this.transport.sendBatch(this.region, this.descriptors, 0, frames.length);
    expect(taken).toBe(frames.length);
    return frames;
  }

  #receive(count: number): void {
    const { receiveRegion, receiveDescriptors } = this.transport;
    this.calls += 1;
    this.batches.push(count);
    const places = Array.from({ length: count }, (_, i) => ({
      offset: receiveDescriptors[2 * i] as number,
      length: receiveDescriptors[2 * i + 1] as number,
    }));
    for (const { offset, length } of places) {
      this.frames.push(receiveRegion.bytes.slice(offset, offset + length));
    }
    this.overlaps += countOverlaps(places);
    this.places.push(...places);
    this.onBatch();
  }
}

/** Names the first difference instead of printing frames; a hundred times as fast as `toEqual`. */
function expectSameFrames(actual: readonly Uint8Array[], expected: readonly Uint8Array[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [index, frame] of expected.entries()) {
    const other = actual[index] as Uint8Array;
    expect([index, other.length]).toEqual([index, frame.length]);
    const at = frame.findIndex((byte, i) => byte !== other[i]);
    if (at >= 0) expect.fail(`frame ${index} differs from byte ${at} on`);
  }
}

function countOverlaps(places: readonly { offset: number; length: number }[]): number {
  const sorted = [...places].sort((a, b) => a.offset - b.offset);
  return sorted.filter((place, i) => {
    const before = sorted[i - 1];
    return before !== undefined && before.offset + before.length > place.offset;
  }).length;
}

const MAC_HEADER_BYTES = 14;
const ETHER_TYPE_BYTE = 0xaa;
const SMALLEST_PAYLOAD_BYTES = 46;
/** The most frames that a test sends at once. */
const SLOTS = 64;
const FRAMES_TO_FILL = 1_000;
