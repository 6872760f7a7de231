import { assert } from '../assert.ts';
import { MAX_REQUEST_BYTES } from '../wire/constants.ts';

/** Time within which a client should have finished its handshake, in milliseconds. Host's job. */
export const HANDSHAKE_TIME_LIMIT_MS = 10_000;

/** What one connection may use. Fixed for its lifetime; nothing grows beyond. */
export interface ConnectionLimits {
  /** Memory for the data of requests in bytes; a multiple of 32 KiB. Made when the handshake ends. */
  readonly slabBytes: number;
  /** Requests and pieces of requests at a time, 8 to 4096. */
  readonly requests: number;
  /** Largest READ and WRITE in bytes, a multiple of 64 KiB, 1 to 32 MiB. */
  readonly maxRequestBytes: number;
  /** Options that a client may send. */
  readonly options: number;
  /** Bytes of data that one option may carry. */
  readonly optionDataBytes: number;
  /** Bytes that a client may send before the transmission phase. */
  readonly handshakeBytes: number;
}

/** 8 MiB and 256 requests; 64 options of at most 64 KiB, 1 MiB together. */
export const DEFAULT_LIMITS: ConnectionLimits = {
  slabBytes: 8 * 1024 * 1024,
  requests: 256,
  maxRequestBytes: MAX_REQUEST_BYTES,
  options: 64,
  optionDataBytes: 64 * 1024,
  handshakeBytes: 1024 * 1024,
};

/** @throws AssertionError when a limit is out of the range that its comment gives */
export function checkLimits(limits: ConnectionLimits): void {
  const { slabBytes, requests, maxRequestBytes } = limits;
  assert(slabBytes >= 32768 && slabBytes % 32768 === 0, 'slabBytes is a multiple of 32 KiB');
  assert(requests >= 8 && requests <= 4096, 'requests lies between 8 and 4096');
  assert(maxRequestBytes % 65536 === 0, 'maxRequestBytes is a multiple of 64 KiB');
  assert(
    maxRequestBytes >= 1 << 20 && maxRequestBytes <= MAX_REQUEST_BYTES,
    'maxRequestBytes lies between 1 MiB and 32 MiB',
  );
}
