import { FrameSlab } from '../src/index.ts';
import type { RawSocket, RawSocketHandlers } from '../src/index.ts';

export const ETHER_TYPE = 0xaaaa;
export const MAC_HEADER_BYTES = 14;

/** A frame whose payload tells its number and length in every byte. */
export function numberedFrame(route: Route, number: number, payloadBytes: number): Uint8Array {
  const frame = new Uint8Array(MAC_HEADER_BYTES + payloadBytes);
  frame.set(route.to, 0);
  frame.set(route.from, 6);
  const etherType = route.etherType ?? ETHER_TYPE;
  frame[12] = etherType >> 8;
  frame[13] = etherType & 0xff;
  const view = new DataView(frame.buffer);
  if (payloadBytes >= 4) view.setUint32(MAC_HEADER_BYTES, number);
  for (let i = 4; i < payloadBytes; i++) frame[MAC_HEADER_BYTES + i] = (number * 31 + i) & 0xff;
  return frame;
}

/** Where a test frame goes to and claims to come from. */
export interface Route {
  readonly to: Uint8Array;
  readonly from: Uint8Array;
  readonly etherType?: number;
}

/** A slab that holds these frames as one batch. */
export function slabOf(frames: readonly Uint8Array[]): FrameSlab {
  const longest = Math.max(0, ...frames.map((frame) => frame.length));
  const slab = new FrameSlab(Math.max(1, frames.length), longest);
  frames.forEach((frame, index) => slab.put(index, frame));
  return slab;
}

/** Sends all frames, waiting for room as often as it takes. Uses the inbox's onWritable. */
export async function sendAll(inbox: Inbox, frames: readonly Uint8Array[]): Promise<SendRecord> {
  const slab = slabOf(frames);
  const record = { calls: 0, shortCalls: 0 };
  let sent = 0;
  while (sent < frames.length) {
    const writableBefore = inbox.writableCalls;
    const left = frames.length - sent;
    const taken = inbox.socket.sendBatch(slab, slab.descriptors, sent, left);
    record.calls++;
    sent += taken;
    if (taken === left) break;
    record.shortCalls++;
    await until('room to send', () => inbox.writableCalls > writableBefore);
  }
  return record;
}

export interface SendRecord {
  readonly calls: number;
  readonly shortCalls: number;
}

/** A started socket that keeps copies of all it is told. */
export class Inbox implements RawSocketHandlers {
  readonly socket: RawSocket;
  readonly frames: Uint8Array[] = [];
  readonly batches: number[] = [];
  readonly offsets: number[] = [];
  readonly failures: Error[] = [];
  writableCalls = 0;
  /** Called at the end of each batch. */
  afterBatch: (() => void) | undefined;

  constructor(socket: RawSocket) {
    this.socket = socket;
  }

  static start(socket: RawSocket): Inbox {
    const inbox = new Inbox(socket);
    socket.start(inbox);
    return inbox;
  }

  /** Waits until that many frames have arrived in all. */
  async received(count: number): Promise<Uint8Array[]> {
    await until(`${count} frames`, () => this.frames.length >= count);
    return this.frames;
  }

  onReceiveBatch(count: number): void {
    this.batches.push(count);
    for (let i = 0; i < count; i++) {
      const offset = this.socket.receiveDescriptors[2 * i] as number;
      const length = this.socket.receiveDescriptors[2 * i + 1] as number;
      this.offsets.push(offset);
      this.frames.push(this.socket.receiveRegion.bytes.slice(offset, offset + length));
    }
    this.afterBatch?.();
  }

  onWritable(): void {
    this.writableCalls++;
  }

  onFailure(error: Error): void {
    this.failures.push(error);
  }
}

/** Lets the event loop turn until the condition holds. */
export async function until(what: string, holds: () => boolean, withinMillis = 10_000) {
  const giveUpAt = performance.now() + withinMillis;
  while (!holds()) {
    if (performance.now() > giveUpAt) throw new Error(`waited ${withinMillis} ms for ${what}`);
    await loopTurn();
  }
}

/** One turn of the event loop, with whatever is ready in it. */
export function loopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Compares frames by content; many times faster than comparing arrays byte by byte. */
export function hex(frames: readonly Uint8Array[]): string[] {
  return frames.map((frame) => Buffer.from(frame).toString('hex'));
}
