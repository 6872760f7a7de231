import { assert } from '../assert.ts';
import { BlockRequest, type RequestBuffer } from '../block-backend.ts';
import { NbdErrno } from '../wire/constants.ts';
import { NO_ROOM, type RequestSlab } from './request-slab.ts';

/** Where a slot is. */
export const SlotState = {
  /** In the pool. */
  Free: 0,
  /** With the session: being received, waiting for memory or for its siblings. */
  Held: 1,
  /** With the backend. */
  Submitted: 2,
  /** In the output queue. */
  Queued: 3,
} as const;
export type SlotState = (typeof SlotState)[keyof typeof SlotState];

/** How the pieces of a client's request come together to an answer. */
export const ReplyShape = {
  /** One reply without data when all pieces are complete. */
  Status: 0,
  /** One piece, whose data follows the reply. */
  WholeRead: 1,
  /** Each piece is a chunk of a structured reply. */
  ChunkedRead: 2,
  /** The pieces follow one simple reply in order. */
  StreamedRead: 3,
} as const;
export type ReplyShape = (typeof ReplyShape)[keyof typeof ReplyShape];

/** Who hears of completions. */
export interface SlotOwner {
  /** The client has gone, or will send nothing more: see `BlockRequest.isAbandoned`. */
  readonly isClientLeaving: boolean;
  slotCompleted(slot: RequestSlot, error: NbdErrno, text: string): void;
}

/**
 * One request to the backend together with its part of the answer. A client's request has one
 * *primary* slot, which carries what belongs to the request as a whole, and may have more slots for
 * further pieces. A primary slot lives until the last of its pieces is done with.
 */
export class RequestSlot extends BlockRequest {
  state: SlotState = SlotState.Free;
  private readonly owner: SlotOwner;
  /** Whether `bufferOffset` names a run of the slab that is to be given back. */
  hasRun: boolean = false;

  /** The slot that stands for the whole request; itself for a primary one. */
  primary: RequestSlot;
  /** Next piece of a streamed read. */
  next: RequestSlot | undefined = undefined;

  /** Start of this slot's reply header in the header ring, and its length. */
  headerStart: number = 0;
  headerBytes: number = 0;
  /** Bytes of the buffer that follow the header in the output. */
  dataBytes: number = 0;

  // Of a primary slot only:
  cookieHigh: number = 0;
  cookieLow: number = 0;
  /** Flags of the client's request. */
  commandFlags: number = 0;
  shape: ReplyShape = ReplyShape.Status;
  /** Whether an error may be told by a structured reply, with text. */
  structured: boolean = false;
  /** Slots that belong to the request, and the session itself while more pieces are to come. */
  references: number = 0;
  /** Pieces with the backend. */
  unfinished: number = 0;
  /** Whether more pieces are to come. */
  spreading: boolean = false;
  /** The client went away in the middle of the request: nobody waits for the reply. */
  silent: boolean = false;
  /** The first error of any piece. */
  errno: NbdErrno = NbdErrno.OK;
  errorText: string = '';

  constructor(buffer: RequestBuffer, owner: SlotOwner) {
    super(buffer);
    this.owner = owner;
    this.primary = this;
  }

  override get isAbandoned(): boolean {
    return this.owner.isClientLeaving;
  }

  override complete(error: NbdErrno, text = ''): void {
    assert(this.state === SlotState.Submitted, 'a request is completed exactly once');
    this.state = SlotState.Held;
    this.owner.slotCompleted(this, error, text);
  }
}

/** A fixed number of slots around one slab. */
export class SlotPool {
  readonly capacity: number;
  private readonly slab: RequestSlab;
  private readonly all: readonly RequestSlot[];
  private readonly free: RequestSlot[];

  constructor(capacity: number, slab: RequestSlab, owner: SlotOwner) {
    this.capacity = capacity;
    this.slab = slab;
    this.all = Array.from({ length: capacity }, () => new RequestSlot(slab, owner));
    this.free = [...this.all];
  }

  get used(): number {
    return this.capacity - this.free.length;
  }

  /** A slot for a new request, or undefined when all are in use. */
  acquirePrimary(): RequestSlot | undefined {
    const slot = this.free.pop();
    if (slot === undefined) return undefined;
    prepare(slot, slot);
    slot.references = 1;
    slot.unfinished = 0;
    slot.spreading = false;
    slot.silent = false;
    slot.errno = NbdErrno.OK;
    slot.errorText = '';
    return slot;
  }

  /** A slot for a further piece of a request, or undefined when all are in use. */
  acquirePiece(primary: RequestSlot): RequestSlot | undefined {
    const slot = this.free.pop();
    if (slot === undefined) return undefined;
    prepare(slot, primary);
    primary.references++;
    return slot;
  }

  /** Gives a slot `lengthBytes` of memory; false when there is no room. */
  allocateRun(slot: RequestSlot, lengthBytes: number): boolean {
    const offset = this.slab.allocate(lengthBytes);
    if (offset === NO_ROOM) return false;
    slot.bufferOffset = offset;
    slot.hasRun = true;
    return true;
  }

  /** Gives back the slot's memory, if it has any. */
  freeRun(slot: RequestSlot): void {
    if (!slot.hasRun) return;
    slot.hasRun = false;
    this.slab.free(slot.bufferOffset);
  }

  /** Gives back a slot that is done with, and its primary if that waited only for it. */
  release(slot: RequestSlot): void {
    this.freeRun(slot);
    slot.state = SlotState.Held;
    if (slot !== slot.primary) this.putBack(slot);
    this.dropReference(slot.primary);
  }

  /** Takes away one reason for a primary slot to live. */
  dropReference(primary: RequestSlot): void {
    primary.references--;
    assert(primary.references >= 0, 'a slot is released once');
    if (primary.references === 0) this.putBack(primary);
  }

  /**
   * Takes back every slot that is not with the backend, whatever it was waiting for: the connection
   * is over. The others come back by `reclaim`, and no count of references matters any more.
   */
  reclaimAll(): void {
    for (const slot of this.all) {
      if (slot.state === SlotState.Held || slot.state === SlotState.Queued) this.reclaim(slot);
    }
  }

  /** Takes back one slot after the end of the connection. */
  reclaim(slot: RequestSlot): void {
    this.freeRun(slot);
    this.putBack(slot);
  }

  private putBack(slot: RequestSlot): void {
    slot.state = SlotState.Free;
    slot.next = undefined;
    slot.backendData = undefined;
    slot.backendTag = 0;
    slot.backendCount = 0;
    this.free.push(slot);
  }
}

function prepare(slot: RequestSlot, primary: RequestSlot): void {
  slot.state = SlotState.Held;
  slot.primary = primary;
  slot.next = undefined;
  slot.headerBytes = 0;
  slot.dataBytes = 0;
  slot.bufferOffset = 0;
}
