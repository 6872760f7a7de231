import { assert } from '../assert.ts';
import { BlockCommand } from '../block-backend.ts';
import type { RequestHeader } from '../wire/request.ts';
import type { InputCursor } from './input-cursor.ts';
import type { ReplyAssembler } from './reply-assembler.ts';
import type { RequestIssuer } from './request-issuer.ts';
import type { RequestSlot, SlotPool } from './request-slot.ts';

/** Where in a write the stream stands. */
type Stage = 'none' | 'memory' | 'payload' | 'discard';

/**
 * The write that the byte stream stands in: takes its payload piece by piece into memory of its own
 * and submits each piece when it is full. As soon as the write is known to fail, the rest of its
 * payload is thrown away, because the next request stands behind it.
 */
export class WriteIntake {
  private readonly pool: SlotPool;
  private readonly issuer: RequestIssuer;
  private readonly replies: ReplyAssembler;
  private stage: Stage = 'none';
  private primary: RequestSlot | undefined = undefined;
  private piece: RequestSlot | undefined = undefined;
  private pieceLength = 0;
  private filledBytes = 0;
  private startOffset = 0;
  private nextOffset = 0;
  private remainingBytes = 0;

  constructor(pool: SlotPool, issuer: RequestIssuer, replies: ReplyAssembler) {
    this.pool = pool;
    this.issuer = issuer;
    this.replies = replies;
  }

  get isActive(): boolean {
    return this.stage !== 'none';
  }

  /** Whether bytes would bring it further, rather than memory. */
  get wantsInput(): boolean {
    return this.stage !== 'memory';
  }

  /** Begins a write of at least one byte; `primary.errno` is set if it is refused. */
  begin(primary: RequestSlot, header: RequestHeader): void {
    primary.spreading = true;
    this.primary = primary;
    this.piece = undefined;
    this.startOffset = header.offset;
    this.nextOffset = header.offset;
    this.remainingBytes = header.length;
    this.stage = 'memory';
  }

  /** One step; false when it needs bytes or memory that are not there. */
  step(input: InputCursor): boolean {
    const { primary } = this;
    assert(primary !== undefined, 'a write is being taken');
    if (this.stage === 'memory') return this.reservePiece(primary);
    if (this.stage === 'payload') return this.takePayload(primary, input);
    return this.discardPayload(primary, input);
  }

  /** The rest of the payload will not come: nobody waits for the reply. */
  drop(): void {
    const { primary, piece } = this;
    assert(primary !== undefined, 'a write is being taken');
    primary.silent = true;
    if (piece !== undefined && piece !== primary) this.pool.release(piece);
    this.finish(primary);
    if (primary.unfinished === 0) this.replies.answer(primary);
  }

  private reservePiece(primary: RequestSlot): boolean {
    if (primary.errno !== 0) {
      this.stage = 'discard';
      return true;
    }
    const length = this.issuer.pieceLength(this.nextOffset, this.remainingBytes);
    const isFirst = this.nextOffset === this.startOffset;
    this.piece = this.issuer.acquirePiece(primary, isFirst, length);
    if (this.piece === undefined) return false;
    this.pieceLength = length;
    this.filledBytes = 0;
    this.stage = 'payload';
    return true;
  }

  private takePayload(primary: RequestSlot, input: InputCursor): boolean {
    const { piece, pieceLength } = this;
    assert(piece !== undefined, 'payload goes to a piece');
    const count = Math.min(input.available, pieceLength - this.filledBytes);
    if (count === 0) return false;
    input.copyTo(piece.buffer.bytes, piece.bufferOffset + this.filledBytes, count);
    this.filledBytes += count;
    if (this.filledBytes < pieceLength) return false;
    const offset = this.nextOffset;
    this.piece = undefined;
    this.nextOffset += pieceLength;
    this.remainingBytes -= pieceLength;
    // The state first: the backend may complete the piece at once.
    if (this.remainingBytes === 0) this.finish(primary);
    else this.stage = 'memory';
    this.issuer.submit(piece, BlockCommand.Write, offset, pieceLength);
    return true;
  }

  private discardPayload(primary: RequestSlot, input: InputCursor): boolean {
    const count = Math.min(input.available, this.remainingBytes);
    if (count === 0) return false;
    input.at += count;
    this.remainingBytes -= count;
    if (this.remainingBytes > 0) return false;
    this.finish(primary);
    if (primary.unfinished === 0) this.replies.answer(primary);
    return true;
  }

  private finish(primary: RequestSlot): void {
    primary.spreading = false;
    this.primary = undefined;
    this.piece = undefined;
    this.stage = 'none';
  }
}
