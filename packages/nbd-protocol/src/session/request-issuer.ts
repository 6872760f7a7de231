import { assert } from '../assert.ts';
import type { BlockBackend, BlockCommand } from '../block-backend.ts';
import { CommandFlag } from '../wire/constants.ts';
import { PAGE_BYTES } from './request-slab.ts';
import { type RequestSlot, type SlotPool, SlotState } from './request-slot.ts';

const LARGEST_PIECE_BYTES = 1024 * 1024;
/** Pieces that fit into a slab together; fewer than half of them always find room side by side. */
const PIECES_PER_SLAB = 8;

/** Hands requests, and pieces of long ones, to the backend. */
export class RequestIssuer {
  /** Longest piece of a request that goes to the backend in several. */
  readonly pieceBytes: number;
  private readonly pool: SlotPool;
  private readonly backend: BlockBackend;
  /** Pieces end at multiples of this on the device. */
  private readonly pieceAlignment: number;
  private submittedCount = 0;
  private kickNeeded = false;

  constructor(pool: SlotPool, backend: BlockBackend, slabBytes: number) {
    this.pool = pool;
    this.backend = backend;
    this.pieceAlignment = Math.max(PAGE_BYTES, backend.minimumBlockBytes);
    const wanted = Math.min(LARGEST_PIECE_BYTES, slabBytes / PIECES_PER_SLAB);
    this.pieceBytes = wanted - (wanted % this.pieceAlignment);
    assert(this.pieceBytes > 0, 'the slab has room for eight blocks of the minimum size');
  }

  /** Requests that the backend has not completed. */
  get inBackend(): number {
    return this.submittedCount;
  }

  /** Length of the piece at `offset`: to the end of the request, or to an even place before. */
  pieceLength(offset: number, remainingBytes: number): number {
    return Math.min(this.pieceBytes - (offset % this.pieceAlignment), remainingBytes);
  }

  /** A slot with memory for the next piece; the first piece uses the primary slot itself. */
  acquirePiece(primary: RequestSlot, isFirst: boolean, length: number): RequestSlot | undefined {
    const slot = isFirst ? primary : this.pool.acquirePiece(primary);
    if (slot === undefined || this.pool.allocateRun(slot, length)) return slot;
    if (!isFirst) this.pool.release(slot);
    return undefined;
  }

  /** Gives a slot to the backend, which may complete it before this returns. */
  submit(slot: RequestSlot, command: BlockCommand, offset: number, length: number): void {
    const { primary } = slot;
    slot.command = command;
    slot.offset = offset;
    slot.length = length;
    slot.fua = (primary.commandFlags & CommandFlag.FUA) !== 0;
    slot.noHole = (primary.commandFlags & CommandFlag.NO_HOLE) !== 0;
    slot.state = SlotState.Submitted;
    primary.unfinished++;
    this.submittedCount++;
    this.kickNeeded = true;
    this.backend.submit(slot);
  }

  /** Notes that the backend has completed one. */
  returned(): void {
    this.submittedCount--;
  }

  /** Ends a row of submits; false when there was none. */
  kick(): boolean {
    if (!this.kickNeeded) return false;
    this.kickNeeded = false;
    this.backend.kick();
    return true;
  }
}
