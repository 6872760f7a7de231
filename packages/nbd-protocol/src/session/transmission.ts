import { BlockCommand } from '../block-backend.ts';
import type { NbdExport } from '../export-table.ts';
import { Command, type NbdErrno, REQUEST_HEADER_BYTES, REQUEST_MAGIC } from '../wire/constants.ts';
import { RequestHeader, readRequest } from '../wire/request.ts';
import type { CloseReason, OutputWindow } from './connection-host.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import { InputCursor } from './input-cursor.ts';
import { OutputQueue } from './output-queue.ts';
import { ReadIntake } from './read-intake.ts';
import { ReplyAssembler } from './reply-assembler.ts';
import { type RequestRules, checkRequest } from './request-check.ts';
import { RequestIssuer } from './request-issuer.ts';
import { RequestSlab } from './request-slab.ts';
import { ReplyShape, type RequestSlot, SlotPool } from './request-slot.ts';
import type { SessionFeatures } from './session-features.ts';
import { StreamedRead } from './streamed-read.ts';
import { WriteIntake } from './write-intake.ts';

/** Where in the client's byte stream the session is. */
const Phase = {
  /** In front of or inside a request header: wants bytes. */
  Header: 0,
  /** Behind a header: waits for a slot. */
  Admit: 1,
  /** Inside a write: wants bytes or waits for memory. */
  Write: 2,
  /** Behind a read that has not been started altogether: waits for memory or for its pieces. */
  Read: 3,
  /** Behind the last request: whatever comes is ignored. */
  Stopped: 4,
} as const;
type Phase = (typeof Phase)[keyof typeof Phase];

/** What the transmission phase tells the connection. Called from inside completions, too. */
export interface TransmissionOwner {
  /** Replies, a failure or the end may be there. */
  transmissionOutput(): void;
  /** A parked session may be able to go on: `receive`. */
  transmissionResumable(): void;
  /** A request came back after `abandon`. */
  transmissionReturned(): void;
}

/** An end for which there is no reply. */
export interface TransmissionFailure {
  readonly reason: CloseReason;
  readonly text: string;
}

/**
 * The transmission phase of one connection: bytes in, requests to the backend, replies out in the
 * order in which the backend completes. NBD protocol, "Transmission".
 *
 * Requests are admitted in the order of the stream. One that finds no slot or no memory parks the
 * whole session, so nothing can overtake it and it gets what it needs once the earlier ones are
 * answered. Long reads and writes go to the backend in pieces.
 */
export class Transmission {
  readonly nbdExport: NbdExport;
  private readonly rules: RequestRules;
  private readonly owner: TransmissionOwner;
  private readonly slab: RequestSlab;
  private readonly pool: SlotPool;
  private readonly issuer: RequestIssuer;
  private readonly output: OutputQueue;
  private readonly stream: StreamedRead;
  private readonly replies: ReplyAssembler;
  private readonly write: WriteIntake;
  private readonly read: ReadIntake;

  private readonly input: InputCursor = new InputCursor();
  private phase: Phase = Phase.Header;
  private readonly header: RequestHeader = new RequestHeader();
  private readonly headerPart: Uint8Array = new Uint8Array(REQUEST_HEADER_BYTES);
  private headerPartBytes = 0;

  private isRunning = false;
  private resumeAnnounced = false;
  private inputEnded = false;
  private abandoned = false;
  /** @internal See `SlotOwner`. */
  isClientLeaving: boolean = false;
  private violation: TransmissionFailure | undefined = undefined;
  private sawDisconnect = false;

  constructor(
    limits: ConnectionLimits,
    nbdExport: NbdExport,
    features: SessionFeatures,
    owner: TransmissionOwner,
  ) {
    const { slabBytes, maxRequestBytes, requests } = limits;
    this.nbdExport = nbdExport;
    this.owner = owner;
    this.rules = { nbdExport, features, maxRequestBytes, maxWholeReadBytes: slabBytes };
    this.slab = new RequestSlab(slabBytes);
    this.pool = new SlotPool(requests, this.slab, this);
    this.issuer = new RequestIssuer(this.pool, nbdExport.backend, slabBytes);
    this.output = new OutputQueue(requests, this.slab.bytes);
    // Three pieces: wherever they lie in the slab, there was room for the last one.
    this.stream = new StreamedRead(this.pool, this.output, 3 * this.issuer.pieceBytes);
    this.replies = new ReplyAssembler(this.pool, this.output, this.stream);
    this.write = new WriteIntake(this.pool, this.issuer, this.replies);
    this.read = new ReadIntake(this.pool, this.issuer, this.stream, slabBytes);
  }

  /** Whether bytes would bring the session further, rather than slots, memory or completions. */
  get wantsInput(): boolean {
    if (this.phase === Phase.Write) return this.write.wantsInput;
    return this.phase === Phase.Header || this.phase === Phase.Stopped;
  }

  get hasOutput(): boolean {
    return !this.output.isEmpty;
  }

  get requestsInBackend(): number {
    return this.issuer.inBackend;
  }

  get requestsInUse(): number {
    return this.pool.used;
  }

  get slabBytesInUse(): number {
    return this.slab.usedBytes;
  }

  /** Whether the client has said DISC. */
  get disconnectSeen(): boolean {
    return this.sawDisconnect;
  }

  /** Whether nothing is open and nothing can come. */
  get isDrained(): boolean {
    return this.phase === Phase.Stopped && this.pool.used === 0;
  }

  get failure(): TransmissionFailure | undefined {
    if (this.stream.isBroken) {
      return { reason: 'readFailed', text: 'a read failed after its reply had begun' };
    }
    return this.violation;
  }

  /** As `NbdConnection.receive`. */
  receive(bytes: Uint8Array, offset: number, length: number): number {
    if (!this.inputEnded) this.input.show(bytes, offset, length);
    this.run();
    const taken = this.inputEnded ? length : this.input.at - offset;
    this.input.hide();
    return taken;
  }

  /**
   * No more bytes; what is incomplete is dropped, what is parked goes on when it can.
   *
   * @param isLeaving  the client ended its stream without saying so, and is probably gone
   */
  endInput(isLeaving: boolean): void {
    this.inputEnded = true;
    this.isClientLeaving = isLeaving;
    this.input.hide();
    if (!this.isRunning) this.run();
  }

  /** As `NbdConnection.gatherOutput`, from `windows[used]` on. */
  gather(windows: readonly OutputWindow[], used: number, max: number): number {
    return this.output.gather(windows, used, max);
  }

  /** As `NbdConnection.outputWritten`. */
  written(byteCount: number): void {
    this.output.written(byteCount);
    let slot = this.output.takeWritten();
    while (slot !== undefined) {
      this.pool.release(slot);
      slot = this.output.takeWritten();
    }
    this.run();
  }

  /** The connection is over: lets go of everything that the backend does not have. */
  abandon(): void {
    this.abandoned = true;
    this.isClientLeaving = true;
    this.phase = Phase.Stopped;
    this.output.clear();
    this.pool.reclaimAll();
  }

  /** @internal A piece came back from the backend. */
  slotCompleted(slot: RequestSlot, error: NbdErrno, text: string): void {
    this.issuer.returned();
    if (this.abandoned) {
      this.pool.reclaim(slot);
      this.owner.transmissionReturned();
      return;
    }
    this.replies.pieceCompleted(slot, error, text);
    this.read.heedFailure();
    this.owner.transmissionOutput();
    if (!this.isRunning && !this.resumeAnnounced && !this.wantsInput) {
      this.resumeAnnounced = true;
      this.owner.transmissionResumable();
    }
  }

  /** Goes as far as bytes, memory and slots allow. */
  private run(): void {
    this.isRunning = true;
    this.resumeAnnounced = false;
    do {
      while (this.step());
      // What the backend completes inside kick may be what the session waits for.
    } while (this.issuer.kick() && !this.wantsInput);
    this.isRunning = false;
  }

  /** One step along the stream; false when it stands still. */
  private step(): boolean {
    switch (this.phase) {
      case Phase.Header:
        return this.takeHeader();
      case Phase.Admit:
        return this.admit();
      case Phase.Write:
        return this.stepWrite();
      case Phase.Read:
        if (this.read.step()) return true;
        if (this.read.isActive) return false;
        this.phase = Phase.Header;
        return true;
      case Phase.Stopped:
        this.input.at = this.input.end;
        return false;
    }
  }

  private takeHeader(): boolean {
    if (this.inputEnded) {
      this.phase = Phase.Stopped;
      return true;
    }
    if (!this.readHeader()) return false;
    if (this.header.magic !== REQUEST_MAGIC) {
      this.violation = { reason: 'protocolViolation', text: 'a request has a wrong magic number' };
      this.phase = Phase.Stopped;
    } else if (this.header.type === Command.DISC) {
      this.sawDisconnect = true;
      this.phase = Phase.Stopped;
    } else {
      this.phase = Phase.Admit;
    }
    return true;
  }

  /** Completes `header` from the input, which may bring it in parts; false while some is missing. */
  private readHeader(): boolean {
    const { input } = this;
    if (this.headerPartBytes === 0 && input.available >= REQUEST_HEADER_BYTES) {
      readRequest(input.bytes, input.at, this.header);
      input.at += REQUEST_HEADER_BYTES;
      return true;
    }
    const count = Math.min(input.available, REQUEST_HEADER_BYTES - this.headerPartBytes);
    input.copyTo(this.headerPart, this.headerPartBytes, count);
    this.headerPartBytes += count;
    if (this.headerPartBytes < REQUEST_HEADER_BYTES) return false;
    this.headerPartBytes = 0;
    readRequest(this.headerPart, 0, this.header);
    return true;
  }

  private admit(): boolean {
    const slot = this.pool.acquirePrimary();
    if (slot === undefined) return false;
    const { header } = this;
    slot.cookieHigh = header.cookieHigh;
    slot.cookieLow = header.cookieLow;
    slot.commandFlags = header.flags;
    slot.structured = this.rules.features.structuredReplies;
    slot.shape = ReplyShape.Status;
    const fault = checkRequest(header, this.rules);
    if (fault !== undefined) {
      slot.errno = fault.errno;
      slot.errorText = fault.text;
    }
    this.phase = Phase.Header;
    if (header.type === Command.WRITE && header.length > 0) {
      this.phase = Phase.Write;
      this.write.begin(slot, header);
    } else if (fault !== undefined) {
      this.replies.answer(slot);
    } else {
      this.begin(slot);
    }
    return true;
  }

  /** Starts a request that has been found good and has no payload. */
  private begin(slot: RequestSlot): void {
    const { type, length, offset } = this.header;
    if (type === Command.FLUSH) {
      this.issuer.submit(slot, BlockCommand.Flush, 0, 0);
    } else if (type === Command.BLOCK_STATUS) {
      const restBytes = this.nbdExport.backend.sizeBytes - offset;
      this.replies.answerBlockStatus(slot, Math.min(length, restBytes));
    } else if (type === Command.READ && length > 0) {
      this.phase = Phase.Read;
      this.read.begin(slot, this.header);
    } else if (type === Command.READ) {
      this.replies.answerEmptyRead(slot);
    } else if (length === 0) {
      this.replies.answer(slot);
    } else {
      const command = type === Command.TRIM ? BlockCommand.Trim : BlockCommand.WriteZeroes;
      this.issuer.submit(slot, command, offset, length);
    }
  }

  private stepWrite(): boolean {
    if (this.write.isActive) {
      if (!this.inputEnded) return this.write.step(this.input) || !this.write.isActive;
      this.write.drop();
    }
    this.phase = Phase.Header;
    return true;
  }
}
