import { assert } from '../assert.ts';
import { BlockCommand } from '../block-backend.ts';
import { CommandFlag } from '../wire/constants.ts';
import type { RequestHeader } from '../wire/request.ts';
import type { RequestIssuer } from './request-issuer.ts';
import { ReplyShape, type RequestSlot, type SlotPool } from './request-slot.ts';
import type { StreamedRead } from './streamed-read.ts';

/**
 * What a read waits for: memory for all of it; memory for its next piece; the connection to itself;
 * its last pieces, before another request may be looked at.
 */
type Stage = 'none' | 'whole' | 'spread' | 'quiet' | 'alone';

/**
 * The read that the byte stream stands behind: finds memory for it and submits it, whole if it must
 * or may be answered in one piece, otherwise piece by piece.
 */
export class ReadIntake {
  private readonly pool: SlotPool;
  private readonly issuer: RequestIssuer;
  private readonly stream: StreamedRead;
  private readonly maxWholeReadBytes: number;
  private stage: Stage = 'none';
  private primary: RequestSlot | undefined = undefined;
  private startOffset = 0;
  private nextOffset = 0;
  private remainingBytes = 0;

  constructor(pool: SlotPool, issuer: RequestIssuer, stream: StreamedRead, slabBytes: number) {
    this.pool = pool;
    this.issuer = issuer;
    this.stream = stream;
    this.maxWholeReadBytes = slabBytes;
  }

  get isActive(): boolean {
    return this.stage !== 'none';
  }

  /** Begins a read of at least one byte that has been found good. */
  begin(primary: RequestSlot, header: RequestHeader): void {
    this.primary = primary;
    this.startOffset = header.offset;
    this.nextOffset = header.offset;
    this.remainingBytes = header.length;
    const undivided = (header.flags & CommandFlag.DF) !== 0;
    if (primary.structured && !undivided && header.length > this.issuer.pieceBytes) {
      this.beginSpread(primary, ReplyShape.ChunkedRead);
    } else if (header.length <= this.maxWholeReadBytes) {
      primary.shape = ReplyShape.WholeRead;
      this.stage = 'whole';
    } else {
      this.stage = 'quiet';
    }
  }

  /** One step; false when what it waits for is not there. */
  step(): boolean {
    switch (this.stage) {
      case 'whole':
        return this.startWhole();
      case 'quiet':
        return this.startStream();
      case 'spread':
        return this.startPiece();
      case 'alone':
        if (this.stream.isActive) return false;
        this.stage = 'none';
        return true;
      case 'none':
        return false;
    }
  }

  /** To be called after every completion: a read that has failed starts no more pieces. */
  heedFailure(): void {
    if (this.stage === 'spread' && this.primary?.spreading === false) this.endSpread(this.primary);
  }

  private startWhole(): boolean {
    const { primary } = this;
    assert(primary !== undefined, 'a read is waiting');
    if (!this.pool.allocateRun(primary, this.remainingBytes)) return false;
    this.primary = undefined;
    this.stage = 'none';
    this.issuer.submit(primary, BlockCommand.Read, this.nextOffset, this.remainingBytes);
    return true;
  }

  private startStream(): boolean {
    const { primary } = this;
    assert(primary !== undefined, 'a read is waiting');
    if (this.pool.used > 1) return false;
    this.stream.begin(primary);
    this.beginSpread(primary, ReplyShape.StreamedRead);
    return true;
  }

  /** While it spreads, a request is kept alive by this intake besides its pieces. */
  private beginSpread(primary: RequestSlot, shape: ReplyShape): void {
    primary.shape = shape;
    primary.spreading = true;
    primary.references++;
    this.stage = 'spread';
  }

  private startPiece(): boolean {
    const { primary, nextOffset } = this;
    assert(primary !== undefined, 'a read is waiting');
    const length = this.issuer.pieceLength(nextOffset, this.remainingBytes);
    const slot = this.issuer.acquirePiece(primary, nextOffset === this.startOffset, length);
    if (slot === undefined) return false;
    this.nextOffset += length;
    this.remainingBytes -= length;
    if (primary.shape === ReplyShape.StreamedRead) this.stream.add(slot);
    // The state first: the backend may complete the piece at once.
    if (this.remainingBytes === 0) this.endSpread(primary);
    this.issuer.submit(slot, BlockCommand.Read, nextOffset, length);
    return true;
  }

  private endSpread(primary: RequestSlot): void {
    primary.spreading = false;
    this.primary = undefined;
    this.stage = primary.shape === ReplyShape.StreamedRead ? 'alone' : 'none';
    this.pool.dropReference(primary);
  }
}
