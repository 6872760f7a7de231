import { assert } from '../assert.ts';
import { MAX_REPLY_HEADER_BYTES, ReplyWriter } from '../wire/reply.ts';
import type { OutputWindow } from './connection-host.ts';
import { type RequestSlot, SlotState } from './request-slot.ts';

/**
 * Replies in the order in which they are sent. Headers lie in a ring of fixed size, one after the
 * other, so that replies without data join into one window; data is shown where it lies.
 */
export class OutputQueue {
  private readonly writer: ReplyWriter;
  private readonly headerRing: Uint8Array;
  private readonly data: Uint8Array;
  private readonly slots: (RequestSlot | undefined)[];
  private first = 0;
  private count = 0;
  /** Bytes of the first slot that have been written. */
  private writtenBytes = 0;
  private headerEnd = 0;

  /** @param capacity  number of slots there are; each is in the queue at most once */
  constructor(capacity: number, data: Uint8Array) {
    // Two headers more than there can be: one is lost where the ring wraps.
    this.headerRing = new Uint8Array((capacity + 2) * MAX_REPLY_HEADER_BYTES);
    this.writer = new ReplyWriter(new DataView(this.headerRing.buffer));
    this.data = data;
    this.slots = new Array<RequestSlot | undefined>(capacity).fill(undefined);
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** Writes the header of the slot that is appended next; there is room for the longest. */
  nextHeader(): ReplyWriter {
    if (this.headerEnd + MAX_REPLY_HEADER_BYTES > this.headerRing.length) this.headerEnd = 0;
    this.writer.at = this.headerEnd;
    return this.writer;
  }

  /**
   * Appends a slot whose header, `headerBytes` long, `nextHeader()` has written, if it has one, and
   * whose data is the first `dataBytes` of its run. The slot stays untouched until it is written.
   */
  append(slot: RequestSlot, headerBytes: number, dataBytes: number): void {
    assert(slot.state === SlotState.Held, 'a reply is queued once');
    assert(this.count < this.slots.length, 'the output queue has room for every slot');
    slot.state = SlotState.Queued;
    slot.headerStart = this.headerEnd;
    slot.headerBytes = headerBytes;
    slot.dataBytes = dataBytes;
    this.headerEnd += headerBytes;
    this.slots[this.indexOf(this.count)] = slot;
    this.count++;
  }

  /** Fills `windows[used .. max - 1]`; returns how many windows are in use then. */
  gather(windows: readonly OutputWindow[], used: number, max: number): number {
    let filled = used;
    let last: OutputWindow | undefined = undefined;
    let skip = this.writtenBytes;
    // Two windows for each slot: its header and its data. Either may be empty or written already.
    for (let i = 0; i < 2 * this.count; i++) {
      const slot = this.slots[this.indexOf(i >> 1)] as RequestSlot;
      const isHeader = (i & 1) === 0;
      const bytes = isHeader ? this.headerRing : this.data;
      const offset = (isHeader ? slot.headerStart : slot.bufferOffset) + skip;
      const length = (isHeader ? slot.headerBytes : slot.dataBytes) - skip;
      skip = Math.max(-length, 0);
      if (length <= 0) continue;
      if (last?.bytes === bytes && last.offset + last.length === offset) {
        last.length += length;
        continue;
      }
      if (filled === max) break;
      last = windows[filled++];
      assert(last !== undefined, 'there are as many windows as the host says');
      last.bytes = bytes;
      last.offset = offset;
      last.length = length;
    }
    return filled;
  }

  /** Notes that `byteCount` more bytes have been written; `takeWritten` then tells what is done. */
  written(byteCount: number): void {
    this.writtenBytes += byteCount;
  }

  /** Removes and returns the first slot if all its bytes have been written. */
  takeWritten(): RequestSlot | undefined {
    const slot = this.slots[this.first];
    if (slot === undefined) {
      assert(this.writtenBytes === 0, 'only bytes that were shown are reported as written');
      return undefined;
    }
    const total = slot.headerBytes + slot.dataBytes;
    if (this.writtenBytes < total) return undefined;
    this.writtenBytes -= total;
    this.slots[this.first] = undefined;
    this.first = this.indexOf(1);
    this.count--;
    return slot;
  }

  /** Forgets everything, for a connection that is over. */
  clear(): void {
    this.slots.fill(undefined);
    this.count = 0;
    this.writtenBytes = 0;
  }

  private indexOf(place: number): number {
    const index = this.first + place;
    return index < this.slots.length ? index : index - this.slots.length;
  }
}
