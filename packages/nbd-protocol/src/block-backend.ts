import type { NbdErrno } from './wire/constants.ts';

/**
 * The device behind an export. One backend may serve any number of connections at once; a flush
 * on one of them covers the writes completed on all of them.
 *
 * The caller has already checked every request: it lies inside the device, a read-only device gets
 * no writes, and offset and length are multiples of `minimumBlockBytes`.
 */
export interface BlockBackend {
  /** Bytes of the device; a safe integer, a multiple of `minimumBlockBytes`, constant. */
  readonly sizeBytes: number;
  /** Writes, trims and zeroings are refused before they reach the backend. */
  readonly readOnly: boolean;
  /** Length that is served best; a power of two from 512 to 32 MiB. */
  readonly preferredBlockBytes: number;
  /** Granularity of offsets and lengths; a power of two up to 65536, normally 1. */
  readonly minimumBlockBytes: number;

  /**
   * Starts one request. The backend calls `request.complete` exactly once, either before `submit`
   * returns or at any time later; requests may complete in any order. Until then it may use the
   * request and its stretch of the buffer; afterwards it must touch neither.
   *
   * `submit` may be called many times in a row before the one `kick` that ends the row. It is never
   * called from inside `complete`, provided that the host of the connection does as
   * `ConnectionHost` says.
   */
  submit(request: BlockRequest): void;

  /**
   * Ends a row of submits: nothing more is coming for now, so what was gathered should be sent.
   * Called once after each stretch of the byte stream that led to at least one submit.
   */
  kick(): void;
}

/** What a request asks of the backend. Small integers, fit for a switch or a table. */
export const BlockCommand = {
  /** Fill `length` bytes of the buffer from `bufferOffset` on. */
  Read: 0,
  /** Store `length` bytes of the buffer from `bufferOffset` on. */
  Write: 1,
  /** Make everything durable that was completed before, on any connection. No range, no buffer. */
  Flush: 2,
  /** The range is not needed any more; its contents may become anything. No buffer. */
  Trim: 3,
  /** The range must read back as zeros. Up to 4 GiB - 1 long. No buffer. */
  WriteZeroes: 4,
} as const;
export type BlockCommand = (typeof BlockCommand)[keyof typeof BlockCommand];

/**
 * Memory in which the data of requests lies, with the views that a data path needs, all made once.
 * Of the same shape as a `ByteRegion`: `words` covers the same bytes from the same start.
 */
export interface RequestBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly words: Int32Array;
}

/**
 * One request to a backend. Requests come from a fixed pool and are used again after `complete`, so
 * a backend must not keep a reference beyond that. A long client request arrives as several of
 * these, each complete in itself.
 */
export abstract class BlockRequest {
  command: BlockCommand = 0;
  /** First byte on the device; a safe integer. 0 for Flush. */
  offset: number = 0;
  /** Bytes of the range, at least 1. 0 for Flush. */
  length: number = 0;
  /** Completes only when the data is durable (force unit access). Legal on every command. */
  fua: boolean = false;
  /** WriteZeroes must not deallocate the range. */
  noHole: boolean = false;
  /** Where the data of Read and Write lies. The same object for all requests of a connection. */
  readonly buffer: RequestBuffer;
  /** Start of the data in `buffer`, in bytes; a multiple of 4096. */
  bufferOffset: number = 0;

  /** Free for the backend while it has the request. Reset to undefined before each submit. */
  backendData: unknown = undefined;
  /** Free for the backend while it has the request. Reset to 0 before each submit. */
  backendTag: number = 0;
  /** Free for the backend while it has the request. Reset to 0 before each submit. */
  backendCount: number = 0;

  constructor(buffer: RequestBuffer) {
    this.buffer = buffer;
  }

  /**
   * Whether the client has gone or has ended its stream, so that it hardly waits for the result: a
   * backend at work on something long (4 GiB of zeros) should stop and complete with an error.
   */
  abstract get isAbandoned(): boolean;

  /**
   * Ends the request; to be called exactly once.
   *
   * @param error  0 for success; for a Read this means that all `length` bytes are in the buffer
   * @param text   why it failed, in a short sentence; shown to users where the client can take it.
   *               Characters other than printable ASCII are replaced, what exceeds 200 is cut off
   * @throws AssertionError when the request is not with the backend
   */
  abstract complete(error: NbdErrno, text?: string): void;
}
