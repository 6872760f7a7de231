import { assert } from '../assert.ts';
import type { OutputQueue } from './output-queue.ts';
import { type RequestSlot, type SlotPool, SlotState } from './request-slot.ts';

/**
 * A READ longer than the slab that must be answered by one simple reply. Its pieces are fetched in
 * any order and sent in theirs. The reply begins when the first `startBytes` have been fetched
 * without error; if a piece fails after that, nothing legal can follow and the connection ends.
 *
 * At most one is under way, and it has the connection to itself: no other reply may come between
 * its pieces, and nobody else's memory can stand in its way.
 */
export class StreamedRead {
  private readonly pool: SlotPool;
  private readonly output: OutputQueue;
  private readonly startBytes: number;
  private primary: RequestSlot | undefined = undefined;
  private first: RequestSlot | undefined = undefined;
  private last: RequestSlot | undefined = undefined;
  private hasBegun = false;
  private hasBroken = false;

  /** @param startBytes  so few that as many pieces always fit into the slab at once */
  constructor(pool: SlotPool, output: OutputQueue, startBytes: number) {
    this.pool = pool;
    this.output = output;
    this.startBytes = startBytes;
  }

  /** Whether there are pieces to come before another reply may be sent. */
  get isActive(): boolean {
    return this.primary !== undefined;
  }

  /** Whether a piece failed after the reply had begun. */
  get isBroken(): boolean {
    return this.hasBroken;
  }

  begin(primary: RequestSlot): void {
    assert(this.primary === undefined, 'one streamed read at a time');
    this.primary = primary;
    this.first = undefined;
    this.last = undefined;
    this.hasBegun = false;
  }

  /** Notes the next piece, before it goes to the backend. */
  add(slot: RequestSlot): void {
    if (this.last === undefined || this.first === undefined) this.first = slot;
    else this.last.next = slot;
    this.last = slot;
  }

  /**
   * A piece has come back; its error, if any, stands in the primary slot.
   *
   * @returns whether the read has failed before its reply began and all its pieces are back: the
   *          primary slot then wants an error reply
   */
  pieceCompleted(primary: RequestSlot): boolean {
    if (primary.errno === 0) {
      this.sendReady(primary);
      return false;
    }
    primary.spreading = false;
    if (this.hasBegun) this.hasBroken = true;
    if (this.hasBegun || primary.unfinished > 0) return false;
    this.dropPieces(primary);
    return true;
  }

  private sendReady(primary: RequestSlot): void {
    if (!this.hasBegun && this.readyBytes() < this.startBytes) return;
    let slot = this.first;
    while (slot !== undefined && slot.state === SlotState.Held) {
      let headerBytes = 0;
      if (!this.hasBegun) {
        this.hasBegun = true;
        headerBytes = this.output.nextHeader().simple(primary, 0);
      }
      this.output.append(slot, headerBytes, slot.length);
      slot = slot.next;
    }
    this.first = slot;
    if (slot === undefined && !primary.spreading) this.primary = undefined;
  }

  private readyBytes(): number {
    let bytes = 0;
    let slot = this.first;
    while (slot !== undefined && slot.state === SlotState.Held) {
      bytes += slot.length;
      slot = slot.next;
    }
    return bytes;
  }

  private dropPieces(primary: RequestSlot): void {
    let slot = this.first;
    while (slot !== undefined) {
      const next: RequestSlot | undefined = slot.next;
      if (slot === primary) this.pool.freeRun(slot);
      else this.pool.release(slot);
      slot = next;
    }
    this.first = undefined;
    this.primary = undefined;
  }
}
