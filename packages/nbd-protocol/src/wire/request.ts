import { REQUEST_HEADER_BYTES, REQUEST_MAGIC } from './constants.ts';

const TWO_TO_32 = 2 ** 32;

/**
 * The header of a request, 28 bytes on the wire: magic (4), flags (2), type (2), cookie (8),
 * offset (8), length (4). One object is filled in again and again. NBD protocol, "Request message".
 */
export class RequestHeader {
  magic: number = REQUEST_MAGIC;
  flags: number = 0;
  /** One of `Command`, or anything else that 16 bits can say. */
  type: number = 0;
  /** The client's name for the request; eight bytes to be echoed, as two halves. */
  cookieHigh: number = 0;
  cookieLow: number = 0;
  offsetHigh: number = 0;
  offsetLow: number = 0;
  length: number = 0;

  /** The offset as a number: exact below 2^53, and at least 2^53 if it is not. */
  get offset(): number {
    return this.offsetHigh * TWO_TO_32 + this.offsetLow;
  }
}

/** Reads the 28 bytes from `at` on into `header`. Takes any bytes; the magic is not checked. */
export function readRequest(bytes: Uint8Array, at: number, header: RequestHeader): void {
  header.magic = readUint32(bytes, at);
  header.flags = readUint16(bytes, at + 4);
  header.type = readUint16(bytes, at + 6);
  header.cookieHigh = readUint32(bytes, at + 8);
  header.cookieLow = readUint32(bytes, at + 12);
  header.offsetHigh = readUint32(bytes, at + 16);
  header.offsetLow = readUint32(bytes, at + 20);
  header.length = readUint32(bytes, at + 24);
}

/** Writes the 28 bytes of a request at `at`; the client's side of `readRequest`. */
export function writeRequest(view: DataView, at: number, header: RequestHeader): number {
  view.setUint32(at, header.magic, false);
  view.setUint16(at + 4, header.flags, false);
  view.setUint16(at + 6, header.type, false);
  view.setUint32(at + 8, header.cookieHigh, false);
  view.setUint32(at + 12, header.cookieLow, false);
  view.setUint32(at + 16, header.offsetHigh, false);
  view.setUint32(at + 20, header.offsetLow, false);
  view.setUint32(at + 24, header.length, false);
  return REQUEST_HEADER_BYTES;
}

// Bytes rather than a DataView: the host's buffer may change with every call, and making a view
// costs more than reading a header.

function readUint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

function readUint32(bytes: Uint8Array, at: number): number {
  return ((readUint16(bytes, at) << 16) | readUint16(bytes, at + 2)) >>> 0;
}
