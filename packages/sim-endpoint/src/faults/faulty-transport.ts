import { FrameSlab } from '@oxmem/rawsock';
import type {
  Alarm,
  ByteRegion,
  Clock,
  FrameTransport,
  Micros,
  TransportHandlers,
} from '@oxmem/tloe-protocol';
// A simulator is made of the simulation parts: they are published for programs like this one.
import type { Prng } from '@oxmem/tloe-protocol/testing';
import type { FaultSettings } from './fault-settings.ts';
import { FaultyDirection, type FrameFaultCounts } from './faulty-direction.ts';

/** Frames handed on in one batch at most. */
const BATCH_FRAMES = 64;

/**
 * A transport that loses, repeats, reorders, spoils, delays and holds up the frames of the transport
 * below it, in both directions, by chance from a seed. The same seed and the same traffic at the
 * same times give the same faults.
 *
 * It always takes what it is given: a network that drops frames has no back-pressure. Where frames
 * are only lost, the others pass where they lie. Any other fault has every frame of its direction
 * copied, with memory allocated for it; where no faults are wanted nobody makes one of these.
 */
export class FaultyTransport implements FrameTransport {
  readonly mtuBytes: number;
  readonly ownMac: Uint8Array;
  /** Of the batch being handed up: the memory of the transport below, or of copies. */
  receiveRegion: ByteRegion;
  readonly receiveDescriptors: Int32Array;
  readonly #inner: FrameTransport;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #rx: FaultyDirection;
  readonly #tx: FaultyDirection;
  readonly #received: FrameSlab;
  /** Frames that have come out of `#tx`; those from `#sendFirst` on wait for the transport below. */
  readonly #sending: FrameSlab;
  /** Of frames that are sent from where they lie. */
  readonly #promptDescriptors = new Int32Array(2 * BATCH_FRAMES);
  #sendFirst = 0;
  #sendEnd = 0;
  #isBlocked = false;
  #isClosed = false;
  #handlers: TransportHandlers | undefined = undefined;

  /** @param inner  belongs to this transport from now on; `close` closes it */
  constructor(inner: FrameTransport, clock: Clock, plan: { faults: FaultSettings; prng: Prng }) {
    this.#inner = inner;
    this.#clock = clock;
    this.#rx = new FaultyDirection(plan.faults.rx, plan.prng.fork('rx'));
    this.#tx = new FaultyDirection(plan.faults.tx, plan.prng.fork('tx'));
    this.#received = new FrameSlab(BATCH_FRAMES, inner.mtuBytes);
    this.#sending = new FrameSlab(BATCH_FRAMES, inner.mtuBytes);
    this.mtuBytes = inner.mtuBytes;
    this.ownMac = inner.ownMac;
    this.receiveRegion = this.#received;
    const pairs = Math.max(inner.receiveDescriptors.length, 2 * BATCH_FRAMES);
    this.receiveDescriptors = new Int32Array(pairs);
    this.#alarm = clock.createAlarm(() => this.#move(clock.now()));
  }

  /** What was done so far. */
  get counts(): FrameFaultCounts {
    return { rx: this.#rx.counts, tx: this.#tx.counts };
  }

  /** What happens to frames from now on. */
  setFaults(faults: FaultSettings): void {
    this.#rx.setFaults(faults.rx);
    this.#tx.setFaults(faults.tx);
    if (this.#handlers !== undefined) this.#arm();
  }

  start(handlers: TransportHandlers): void {
    this.#handlers = handlers;
    this.#inner.start({
      onReceiveBatch: (count) => this.#receive(count),
      onWritable: () => {
        this.#isBlocked = false;
        this.#move(this.#clock.now());
      },
      onFailure: (error) => this.#handlers?.onFailure(error),
    });
  }

  sendBatch(region: ByteRegion, descriptors: Int32Array, first: number, count: number): number {
    if (this.#isClosed) return 0;
    if (count <= BATCH_FRAMES && this.#tx.isPrompt && this.#sendFirst === this.#sendEnd) {
      this.#sendPromptly(region, descriptors, first, count);
      return count;
    }
    const now = this.#clock.now();
    for (let i = first; i < first + count; i++) {
      const offset = descriptors[2 * i] as number;
      const length = descriptors[2 * i + 1] as number;
      this.#tx.put(now, region.bytes.subarray(offset, offset + length));
    }
    this.#send(now);
    this.#arm();
    return count;
  }

  close(): void {
    this.#isClosed = true;
    this.#handlers = undefined;
    this.#alarm.close();
    this.#inner.close();
  }

  /** What gets through leaves from where it lies; what the transport below has no room for is kept. */
  // oxlint-disable-next-line max-params -- as `sendBatch`
  #sendPromptly(region: ByteRegion, descriptors: Int32Array, first: number, count: number): void {
    const list = this.#promptDescriptors;
    const kept = selectPassing(
      this.#tx,
      descriptors.subarray(2 * first, 2 * (first + count)),
      list,
    );
    const taken = kept === 0 ? 0 : this.#inner.sendBatch(region, list, 0, kept);
    for (let i = taken; i < kept; i++) {
      const offset = list[2 * i] as number;
      this.#sending.put(
        i - taken,
        region.bytes.subarray(offset, offset + (list[2 * i + 1] as number)),
      );
    }
    this.#sendFirst = 0;
    this.#sendEnd = kept - taken;
    this.#isBlocked = taken < kept;
  }

  #receive(count: number): void {
    if (this.#rx.isPrompt) {
      const received = this.#inner.receiveDescriptors.subarray(0, 2 * count);
      const kept = selectPassing(this.#rx, received, this.receiveDescriptors);
      this.receiveRegion = this.#inner.receiveRegion;
      if (kept > 0) this.#handlers?.onReceiveBatch(kept);
      return;
    }
    const now = this.#clock.now();
    const { receiveRegion, receiveDescriptors } = this.#inner;
    for (let i = 0; i < count; i++) {
      const offset = receiveDescriptors[2 * i] as number;
      const length = receiveDescriptors[2 * i + 1] as number;
      this.#rx.put(now, receiveRegion.bytes.subarray(offset, offset + length));
    }
    this.#move(now);
  }

  #move(now: Micros): void {
    this.#handUp(now);
    if (this.#isClosed) return;
    this.#send(now);
    this.#arm();
  }

  #handUp(now: Micros): void {
    for (;;) {
      const count = fill(this.#received, this.#rx, now);
      if (count === 0) return;
      this.receiveRegion = this.#received;
      this.receiveDescriptors.set(this.#received.descriptors.subarray(0, 2 * count));
      this.#handlers?.onReceiveBatch(count);
    }
  }

  #send(now: Micros): void {
    const { descriptors } = this.#sending;
    while (!this.#isBlocked) {
      if (this.#sendFirst === this.#sendEnd) {
        this.#sendFirst = 0;
        this.#sendEnd = fill(this.#sending, this.#tx, now);
        if (this.#sendEnd === 0) return;
      }
      const waiting = this.#sendEnd - this.#sendFirst;
      const taken = this.#inner.sendBatch(this.#sending, descriptors, this.#sendFirst, waiting);
      this.#sendFirst += taken;
      this.#isBlocked = taken < waiting;
    }
  }

  #arm(): void {
    this.#alarm.arm(Math.min(this.#rx.nextAt, this.#isBlocked ? Infinity : this.#tx.nextAt));
  }
}

/** Writes the descriptors of those frames that get through to `list`; returns how many. */
function selectPassing(direction: FaultyDirection, from: Int32Array, list: Int32Array): number {
  let kept = 0;
  for (let i = 0; i < from.length; i += 2) {
    if (!direction.passes()) continue;
    list[2 * kept] = from[i] as number;
    list[2 * kept + 1] = from[i + 1] as number;
    kept++;
  }
  return kept;
}

/** Puts frames that have come out of `direction` into the slots of `slab`; returns how many. */
function fill(slab: FrameSlab, direction: FaultyDirection, now: Micros): number {
  let count = 0;
  while (count < slab.slots) {
    const frame = direction.take(now);
    if (frame === undefined) break;
    slab.put(count, frame);
    count++;
  }
  return count;
}
