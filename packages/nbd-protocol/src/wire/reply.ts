import {
  CHUNK_HEADER_BYTES,
  ChunkType,
  REPLY_FLAG_DONE,
  SIMPLE_REPLY_BYTES,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_MAGIC,
} from './constants.ts';
import { MAX_TEXT_CHARACTERS, writePrintableText } from './text.ts';

const TWO_TO_32 = 2 ** 32;

/** Largest number of bytes that one of the functions here writes. */
export const MAX_REPLY_HEADER_BYTES: number = CHUNK_HEADER_BYTES + 4 + 2 + MAX_TEXT_CHARACTERS + 8;

/** Which request is answered: the eight bytes of its cookie. */
export interface Cookie {
  readonly cookieHigh: number;
  readonly cookieLow: number;
}

/** What an OFFSET_DATA chunk carries. */
export interface DataChunk {
  /** Place of the data on the device; a safe integer. */
  readonly offset: number;
  /** Bytes of data, at least 1. */
  readonly length: number;
}

/** What an ERROR_OFFSET chunk says. */
export interface ErrorPlace {
  readonly error: number;
  readonly text: string;
  /** Where on the device it happened; a safe integer inside the request. */
  readonly offset: number;
}

/**
 * Writes replies at a place of a fixed memory. Each method writes one reply or chunk at `at` and
 * returns its number of bytes, without the data that must follow. NBD protocol, "Simple reply
 * message" and "Structured reply chunk message".
 */
export class ReplyWriter {
  /** Where the next reply goes. Stays; the owner of the memory moves it. */
  at: number = 0;
  private readonly view: DataView;

  constructor(view: DataView) {
    this.view = view;
  }

  /** A simple reply; the data of a successful READ must follow. */
  simple(cookie: Cookie, error: number): number {
    const { view, at } = this;
    view.setUint32(at, SIMPLE_REPLY_MAGIC, false);
    view.setUint32(at + 4, error, false);
    view.setUint32(at + 8, cookie.cookieHigh, false);
    view.setUint32(at + 12, cookie.cookieLow, false);
    return SIMPLE_REPLY_BYTES;
  }

  /** A chunk of type NONE, which ends a structured reply. */
  none(cookie: Cookie): number {
    return this.chunk(cookie, ChunkType.NONE, true, 0);
  }

  /** The start of an OFFSET_DATA chunk; the data must follow. */
  data(cookie: Cookie, data: DataChunk, isLast: boolean): number {
    this.chunk(cookie, ChunkType.OFFSET_DATA, isLast, 8 + data.length);
    this.uint64(this.at + CHUNK_HEADER_BYTES, data.offset);
    return CHUNK_HEADER_BYTES + 8;
  }

  /** A BLOCK_STATUS chunk with one descriptor, the last of its reply. */
  blockStatus(cookie: Cookie, contextId: number, extentBytes: number): number {
    const { view } = this;
    const start = this.at + CHUNK_HEADER_BYTES;
    view.setUint32(start, contextId, false);
    view.setUint32(start + 4, extentBytes, false);
    // Neither hole nor zero: always safe, and the truth about remote memory is not known.
    view.setUint32(start + 8, 0, false);
    return this.chunk(cookie, ChunkType.BLOCK_STATUS, true, 12);
  }

  /** An ERROR chunk, the last of its reply. */
  error(cookie: Cookie, error: number, text: string): number {
    return this.chunk(cookie, ChunkType.ERROR, true, this.errorAndText(error, text));
  }

  /** An ERROR_OFFSET chunk. */
  errorOffset(cookie: Cookie, place: ErrorPlace, isLast: boolean): number {
    const errorBytes = this.errorAndText(place.error, place.text);
    this.uint64(this.at + CHUNK_HEADER_BYTES + errorBytes, place.offset);
    return this.chunk(cookie, ChunkType.ERROR_OFFSET, isLast, errorBytes + 8);
  }

  private chunk(cookie: Cookie, type: number, isLast: boolean, payloadBytes: number): number {
    const { view, at } = this;
    view.setUint32(at, STRUCTURED_REPLY_MAGIC, false);
    view.setUint16(at + 4, isLast ? REPLY_FLAG_DONE : 0, false);
    view.setUint16(at + 6, type, false);
    view.setUint32(at + 8, cookie.cookieHigh, false);
    view.setUint32(at + 12, cookie.cookieLow, false);
    view.setUint32(at + 16, payloadBytes, false);
    return CHUNK_HEADER_BYTES + payloadBytes;
  }

  private errorAndText(error: number, text: string): number {
    const start = this.at + CHUNK_HEADER_BYTES;
    this.view.setUint32(start, error, false);
    const length = writePrintableText(this.view, start + 6, text);
    this.view.setUint16(start + 4, length, false);
    return 6 + length;
  }

  private uint64(at: number, value: number): void {
    this.view.setUint32(at, Math.floor(value / TWO_TO_32), false);
    this.view.setUint32(at + 4, value % TWO_TO_32, false);
  }
}
