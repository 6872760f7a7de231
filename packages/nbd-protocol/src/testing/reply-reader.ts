import {
  CHUNK_HEADER_BYTES,
  ChunkType,
  Command,
  REPLY_FLAG_DONE,
  SIMPLE_REPLY_BYTES,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_MAGIC,
} from '../wire/constants.ts';

/** One chunk of a structured reply. */
export interface ClientChunk {
  readonly type: number;
  readonly isLast: boolean;
  readonly payload: Uint8Array;
}

/** A complete answer. */
export interface ClientReply {
  /** The first error; 0 for success. */
  readonly error: number;
  /** Text of the first error of a structured reply. */
  readonly text: string;
  /** What a READ returned; bytes that no chunk brought are 0xee. Empty for other commands. */
  readonly data: Uint8Array;
  /** Chunks of a structured reply, in the order of arrival; empty for a simple one. */
  readonly chunks: readonly ClientChunk[];
}

/** What a reply is checked against. */
export interface ExpectedRequest {
  readonly type: number;
  readonly offset: number;
  readonly length: number;
}

interface OpenRequest extends ExpectedRequest {
  error: number;
  text: string;
  data: Uint8Array;
  coveredBytes: number;
  chunks: ClientChunk[];
}

/** Puts replies together and checks the rules of the protocol while it does. */
export class ReplyReader {
  readonly replies: Map<number, ClientReply> = new Map<number, ClientReply>();
  private readonly open = new Map<number, OpenRequest>();
  private parts: Uint8Array[] = [];
  private partBytes = 0;

  get openRequests(): number {
    return this.open.size;
  }

  get unparsedBytes(): number {
    return this.partBytes;
  }

  expect(cookie: number, request: ExpectedRequest): void {
    this.open.set(cookie, {
      ...request,
      error: 0,
      text: '',
      data: new Uint8Array(0),
      coveredBytes: 0,
      chunks: [],
    });
  }

  receive(bytes: Uint8Array): void {
    this.parts.push(bytes);
    this.partBytes += bytes.length;
    while (this.parseOne());
  }

  private parseOne(): boolean {
    const head = this.peek(SIMPLE_REPLY_BYTES);
    if (head === undefined) return false;
    const magic = head.getUint32(0);
    if (magic === SIMPLE_REPLY_MAGIC) return this.parseSimple(head);
    if (magic === STRUCTURED_REPLY_MAGIC) return this.parseChunk();
    throw new Error(`a reply has a wrong magic number ${magic.toString(16)}`);
  }

  private parseSimple(head: DataView): boolean {
    const error = head.getUint32(4);
    const cookie = cookieOf(head);
    const request = this.find(cookie);
    if (request.chunks.length > 0) throw new Error('a simple reply follows a structured one');
    const dataBytes = request.type === Command.READ && error === 0 ? request.length : 0;
    const whole = this.take(SIMPLE_REPLY_BYTES + dataBytes);
    if (whole === undefined) return false;
    request.error = error;
    request.data = whole.slice(SIMPLE_REPLY_BYTES);
    this.finish(cookie, request);
    return true;
  }

  private parseChunk(): boolean {
    const head = this.peek(CHUNK_HEADER_BYTES);
    if (head === undefined) return false;
    const whole = this.take(CHUNK_HEADER_BYTES + head.getUint32(16));
    if (whole === undefined) return false;
    const cookie = cookieOf(head);
    const request = this.find(cookie);
    const chunk: ClientChunk = {
      type: head.getUint16(6),
      isLast: (head.getUint16(4) & REPLY_FLAG_DONE) !== 0,
      payload: whole.slice(CHUNK_HEADER_BYTES),
    };
    request.chunks.push(chunk);
    applyChunk(request, chunk);
    if (chunk.isLast) this.finish(cookie, request);
    return true;
  }

  private find(cookie: number): OpenRequest {
    const request = this.open.get(cookie);
    if (request === undefined) throw new Error(`a reply to no request: cookie ${cookie}`);
    return request;
  }

  private finish(cookie: number, request: OpenRequest): void {
    const wantsAll = request.type === Command.READ && request.error === 0;
    const isStructured = request.chunks.length > 0;
    if (wantsAll && isStructured && request.coveredBytes !== request.length) {
      throw new Error('a successful structured reply does not cover its request');
    }
    this.open.delete(cookie);
    const { error, text, data, chunks } = request;
    this.replies.set(cookie, { error, text, data, chunks });
  }

  private peek(count: number): DataView | undefined {
    if (this.partBytes < count) return undefined;
    const bytes = this.join(count);
    return new DataView(bytes.buffer, bytes.byteOffset, count);
  }

  private take(count: number): Uint8Array | undefined {
    if (this.partBytes < count) return undefined;
    const bytes = this.join(count);
    this.parts[0] = bytes.subarray(count);
    this.partBytes -= count;
    return bytes.subarray(0, count);
  }

  /** Makes the first part at least `count` bytes long. */
  private join(count: number): Uint8Array {
    const first = this.parts[0] ?? new Uint8Array(0);
    if (first.length >= count) return first;
    const all = new Uint8Array(this.partBytes);
    let at = 0;
    for (const part of this.parts) {
      all.set(part, at);
      at += part.length;
    }
    this.parts = [all];
    return all;
  }
}

/** The upper half of every cookie of the test client is the same. */
function cookieOf(head: DataView): number {
  if (head.getUint32(8) !== 0xc00c1e00) throw new Error('the upper half of a cookie has changed');
  return head.getUint32(12);
}

function applyChunk(request: OpenRequest, chunk: ClientChunk): void {
  const { payload } = chunk;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  switch (chunk.type) {
    case ChunkType.NONE:
      if (!chunk.isLast || payload.length > 0) throw new Error('a NONE chunk is empty and last');
      break;
    case ChunkType.OFFSET_DATA:
      applyData(request, view, payload);
      break;
    case ChunkType.BLOCK_STATUS:
      break;
    case ChunkType.ERROR:
    case ChunkType.ERROR_OFFSET:
      applyError(request, chunk.type, view, payload);
      break;
    default:
      throw new Error(`a chunk of unknown type ${chunk.type}`);
  }
}

function applyData(request: OpenRequest, view: DataView, payload: Uint8Array): void {
  if (payload.length <= 8) throw new Error('a data chunk has data');
  if (request.data.length === 0) request.data = new Uint8Array(request.length).fill(0xee);
  const at = view.getUint32(0) * 2 ** 32 + view.getUint32(4) - request.offset;
  if (at < 0 || at + payload.length - 8 > request.length) {
    throw new Error('a chunk lies outside its request');
  }
  request.data.set(payload.subarray(8), at);
  request.coveredBytes += payload.length - 8;
}

function applyError(request: OpenRequest, type: number, view: DataView, payload: Uint8Array): void {
  const error = view.getUint32(0);
  const textBytes = view.getUint16(4);
  const expected = 6 + textBytes + (type === ChunkType.ERROR_OFFSET ? 8 : 0);
  if (error === 0 || payload.length !== expected) throw new Error('an error chunk is malformed');
  if (request.error !== 0) return;
  request.error = error;
  request.text = String.fromCharCode(...payload.subarray(6, 6 + textBytes));
}
