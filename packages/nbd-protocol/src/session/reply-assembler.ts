import { NbdErrno } from '../wire/constants.ts';
import type { OutputQueue } from './output-queue.ts';
import { ReplyShape, type RequestSlot, type SlotPool } from './request-slot.ts';
import { BASE_ALLOCATION_ID } from './session-features.ts';
import type { StreamedRead } from './streamed-read.ts';

/**
 * Makes replies of completed pieces: every request is answered exactly once, on success by simple
 * replies wherever the protocol allows them, on failure by structured ones, with a text, wherever
 * the client understands them.
 */
export class ReplyAssembler {
  private readonly pool: SlotPool;
  private readonly output: OutputQueue;
  private readonly stream: StreamedRead;

  constructor(pool: SlotPool, output: OutputQueue, stream: StreamedRead) {
    this.pool = pool;
    this.output = output;
    this.stream = stream;
  }

  /** Takes a piece that came back from the backend. */
  pieceCompleted(slot: RequestSlot, error: NbdErrno, text: string): void {
    const primary = slot.primary;
    primary.unfinished--;
    if (error !== NbdErrno.OK && primary.errno === NbdErrno.OK) {
      primary.errno = error;
      primary.errorText = text;
    }
    switch (primary.shape) {
      case ReplyShape.Status:
        this.finishStatusPiece(slot, primary);
        break;
      case ReplyShape.WholeRead:
        this.finishWholeRead(primary);
        break;
      case ReplyShape.ChunkedRead:
        this.finishChunk(slot, primary, error, text);
        break;
      case ReplyShape.StreamedRead:
        if (this.stream.pieceCompleted(primary)) this.answer(primary);
        break;
    }
  }

  /** Answers a request that is done, without data: with its error if it has one. */
  answer(primary: RequestSlot): void {
    if (primary.silent) {
      this.pool.release(primary);
    } else if (primary.errno !== NbdErrno.OK) {
      this.answerError(primary);
    } else {
      this.output.append(primary, this.output.nextHeader().simple(primary, NbdErrno.OK), 0);
    }
  }

  /** Answers a READ of no bytes. */
  answerEmptyRead(primary: RequestSlot): void {
    if (!primary.structured) {
      this.answer(primary);
      return;
    }
    this.output.append(primary, this.output.nextHeader().none(primary), 0);
  }

  /** Answers BLOCK_STATUS: the whole range is data. `extentBytes` is at least 1. */
  answerBlockStatus(primary: RequestSlot, extentBytes: number): void {
    const writer = this.output.nextHeader();
    const headerBytes = writer.blockStatus(primary, BASE_ALLOCATION_ID, extentBytes);
    this.output.append(primary, headerBytes, 0);
  }

  private finishStatusPiece(slot: RequestSlot, primary: RequestSlot): void {
    if (slot === primary) this.pool.freeRun(slot);
    else this.pool.release(slot);
    if (primary.unfinished === 0 && !primary.spreading) this.answer(primary);
  }

  private finishWholeRead(primary: RequestSlot): void {
    if (primary.errno !== NbdErrno.OK) {
      this.pool.freeRun(primary);
      this.answerError(primary);
      return;
    }
    const writer = this.output.nextHeader();
    const headerBytes = primary.structured
      ? writer.data(primary, primary, true)
      : writer.simple(primary, NbdErrno.OK);
    this.output.append(primary, headerBytes, primary.length);
  }

  /** The chunk that comes last is marked as such; after an error no new pieces are started. */
  private finishChunk(
    slot: RequestSlot,
    primary: RequestSlot,
    error: NbdErrno,
    text: string,
  ): void {
    if (error !== NbdErrno.OK) primary.spreading = false;
    const isLast = primary.unfinished === 0 && !primary.spreading;
    const writer = this.output.nextHeader();
    if (error === NbdErrno.OK) {
      this.output.append(slot, writer.data(primary, slot, isLast), slot.length);
      return;
    }
    this.pool.freeRun(slot);
    const place = { error, text: errorText(error, text), offset: slot.offset };
    this.output.append(slot, writer.errorOffset(primary, place, isLast), 0);
  }

  private answerError(primary: RequestSlot): void {
    const writer = this.output.nextHeader();
    const headerBytes = primary.structured
      ? writer.error(primary, primary.errno, errorText(primary.errno, primary.errorText))
      : writer.simple(primary, primary.errno);
    this.output.append(primary, headerBytes, 0);
  }
}

/** A text for errors that came without one. */
function errorText(errno: NbdErrno, text: string): string {
  if (text !== '') return text;
  return errno === NbdErrno.ESHUTDOWN ? 'the device is shutting down' : 'the device failed';
}
