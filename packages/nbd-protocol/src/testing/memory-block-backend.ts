import { assert } from '../assert.ts';
import {
  type BlockBackend,
  BlockCommand,
  type BlockRequest,
  type RequestBuffer,
} from '../block-backend.ts';
import { NbdErrno } from '../wire/constants.ts';

const CHUNK_BYTES = 64 * 1024;

/** How a request is to fail. */
export interface InjectedFailure {
  readonly errno: NbdErrno;
  readonly text?: string;
}

/** What a `MemoryBlockBackend` is made of; all but the size has a default. */
export interface MemoryBlockBackendOptions {
  readonly sizeBytes: number;
  readonly readOnly?: boolean;
  readonly preferredBlockBytes?: number;
  readonly minimumBlockBytes?: number;
  /** Keep requests until the test completes them, instead of completing them inside `submit`. */
  readonly holding?: boolean;
}

/** A request as it was submitted, for a test to look at. */
export interface SubmittedRequest {
  readonly command: BlockCommand;
  readonly offset: number;
  readonly length: number;
  readonly fua: boolean;
  readonly noHole: boolean;
}

/**
 * A device in memory, whose requests complete at once or when and in the order that a test wants,
 * with injected failures. A request takes effect when it completes. Memory is used only where
 * something was written, so that devices of terabytes are fine.
 */
export class MemoryBlockBackend implements BlockBackend {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly preferredBlockBytes: number;
  readonly minimumBlockBytes: number;
  /** Whether requests are kept until `completeAt`. May be changed at any time. */
  holding: boolean;
  /** Asked for every request when it completes; undefined lets it succeed. */
  failure: (request: BlockRequest) => InjectedFailure | undefined = () => undefined;
  /** Requests that were kept, oldest first. */
  readonly held: BlockRequest[] = [];
  /** Everything that was submitted, oldest first. */
  readonly submitted: SubmittedRequest[] = [];
  /** Number of calls of `kick`. */
  kicks: number = 0;
  /** Number of submits after the last `kick`. */
  submitsSinceKick: number = 0;
  private readonly chunks = new Map<number, Uint8Array>();

  constructor(options: MemoryBlockBackendOptions) {
    this.sizeBytes = options.sizeBytes;
    this.readOnly = options.readOnly ?? false;
    this.preferredBlockBytes = options.preferredBlockBytes ?? 4096;
    this.minimumBlockBytes = options.minimumBlockBytes ?? 1;
    this.holding = options.holding ?? false;
  }

  submit(request: BlockRequest): void {
    const { command, offset, length, fua, noHole } = request;
    this.submitted.push({ command, offset, length, fua, noHole });
    this.submitsSinceKick++;
    if (this.holding) this.held.push(request);
    else this.finish(request);
  }

  kick(): void {
    this.kicks++;
    this.submitsSinceKick = 0;
  }

  /** Completes the kept request at `index`, the oldest one by default. */
  completeAt(index = 0): void {
    const request = this.held.splice(index, 1)[0];
    assert(request !== undefined, 'there is a request to complete');
    this.finish(request);
  }

  /** Completes kept requests, oldest first, until there are none, also those that come meanwhile. */
  completeAll(): void {
    while (this.held.length > 0) this.completeAt(0);
  }

  /** Fails every kept request, as when the device is lost. */
  failAll(errno: NbdErrno, text = ''): void {
    for (const request of this.held.splice(0)) request.complete(errno, text);
  }

  /** A copy of what the device holds at `offset`. */
  peek(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.forEachChunk(offset, length, (index, from, count, done) => {
      const chunk = this.chunks.get(index);
      if (chunk !== undefined) bytes.set(chunk.subarray(from, from + count), done);
    });
    return bytes;
  }

  /** Changes what the device holds at `offset`. */
  poke(offset: number, bytes: Uint8Array): void {
    this.forEachChunk(offset, bytes.length, (index, from, count, done) => {
      const chunk = this.chunks.get(index) ?? new Uint8Array(CHUNK_BYTES);
      this.chunks.set(index, chunk);
      chunk.set(bytes.subarray(done, done + count), from);
    });
  }

  private finish(request: BlockRequest): void {
    const failure = this.failure(request);
    if (failure !== undefined) {
      request.complete(failure.errno, failure.text);
      return;
    }
    const { command, offset, length, buffer, bufferOffset } = request;
    this.checkRange(request);
    if (command === BlockCommand.Read) this.read(offset, length, buffer, bufferOffset);
    if (command === BlockCommand.Write) {
      this.poke(offset, buffer.bytes.subarray(bufferOffset, bufferOffset + length));
    }
    if (command === BlockCommand.Trim || command === BlockCommand.WriteZeroes) {
      this.erase(offset, length);
    }
    request.complete(NbdErrno.OK);
  }

  private checkRange(request: BlockRequest): void {
    const { offset, length, command } = request;
    const isChange = command !== BlockCommand.Read && command !== BlockCommand.Flush;
    assert(!(this.readOnly && isChange), 'a read-only device gets no writes');
    assert(offset >= 0 && offset + length <= this.sizeBytes, 'a request lies inside the device');
    const mask = this.minimumBlockBytes - 1;
    assert(((offset % 65536) & mask) === 0 && (length & mask) === 0, 'a request is aligned');
  }

  private read(offset: number, length: number, buffer: RequestBuffer, bufferOffset: number): void {
    buffer.bytes.fill(0, bufferOffset, bufferOffset + length);
    this.forEachChunk(offset, length, (index, from, count, done) => {
      const chunk = this.chunks.get(index);
      if (chunk === undefined) return;
      buffer.bytes.set(chunk.subarray(from, from + count), bufferOffset + done);
    });
  }

  private erase(offset: number, length: number): void {
    this.forEachChunk(offset, length, (index, from, count) => {
      if (count === CHUNK_BYTES) this.chunks.delete(index);
      else this.chunks.get(index)?.fill(0, from, from + count);
    });
  }

  private forEachChunk(
    offset: number,
    length: number,
    visit: (index: number, from: number, count: number, done: number) => void,
  ): void {
    for (let done = 0; done < length;) {
      const from = (offset + done) % CHUNK_BYTES;
      const count = Math.min(CHUNK_BYTES - from, length - done);
      visit((offset + done - from) / CHUNK_BYTES, from, count, done);
      done += count;
    }
  }
}
