import type { KernelEnd } from './mock-stream.ts';

/** A request that the mock kernel's client has made and that is not over. */
interface OpenRequest {
  readonly type: number;
  readonly offset: number;
  readonly length: number;
  readonly payload: Uint8Array | undefined;
  readonly settle: (error: Error | undefined, data: Uint8Array | undefined) => void;
}

/** What the client tells its device. */
export interface ClientOwner {
  /** A reply broke the protocol; the driver drops the connection for that. */
  onWrongReply(text: string): void;
}

/**
 * The kernel's side of one NBD connection in the transmission phase: requests out, at most 128 at
 * a time, replies in, each checked as strictly as the kernel does it. A wrong one is fatal.
 */
export class MockClient {
  readonly end: KernelEnd;
  readonly #owner: ClientOwner;
  readonly #open = new Map<number, OpenRequest>();
  readonly #waiting: OpenRequest[] = [];
  #cookies = 0;
  #received: Uint8Array = new Uint8Array(0);

  constructor(end: KernelEnd, owner: ClientOwner) {
    this.end = end;
    this.#owner = owner;
  }

  get requestsInFlight(): number {
    return this.#open.size;
  }

  /** Sends a request, now or when one of the 128 tags is free. */
  submit(request: OpenRequest): void {
    this.#waiting.push(request);
    this.#sendWaiting();
  }

  /** Says that the device is being disconnected. No reply follows. */
  sendDisconnect(): void {
    this.end.send(encodeRequest(Type.Disconnect, 0, { offset: 0, length: 0 }));
  }

  /** Bytes of the server. */
  receive(bytes: Uint8Array): void {
    const all = new Uint8Array(this.#received.length + bytes.length);
    all.set(this.#received);
    all.set(bytes, this.#received.length);
    this.#received = all;
    while (!this.end.isDead && this.#takeReply());
    this.#sendWaiting();
  }

  /** @returns what is not over, which is forgotten here */
  takeRequests(): OpenRequest[] {
    const requests = [...this.#open.values(), ...this.#waiting];
    this.#open.clear();
    this.#waiting.length = 0;
    return requests;
  }

  /** @returns whether there may be another one */
  #takeReply(): boolean {
    if (this.#received.length < REPLY_BYTES) return false;
    const view = new DataView(this.#received.buffer, this.#received.byteOffset, REPLY_BYTES);
    if (view.getUint32(0) !== REPLY_MAGIC) return this.#fail('a reply had a wrong magic');
    const error = view.getUint32(4);
    const cookie = view.getUint32(12);
    const request = this.#open.get(cookie);
    if (request === undefined || view.getUint32(8) !== COOKIE_HIGH) {
      return this.#fail('a reply had an unknown cookie');
    }
    const dataBytes = request.type === Type.Read && error === 0 ? request.length : 0;
    if (this.#received.length < REPLY_BYTES + dataBytes) return false;
    const data = this.#received.slice(REPLY_BYTES, REPLY_BYTES + dataBytes);
    this.#received = this.#received.slice(REPLY_BYTES + dataBytes);
    this.#open.delete(cookie);
    request.settle(error === 0 ? undefined : ioError(`the server answered ${error}`), data);
    return true;
  }

  #fail(text: string): false {
    this.#owner.onWrongReply(text);
    return false;
  }

  #sendWaiting(): void {
    while (!this.end.isDead && this.#open.size < MAX_TAGS) {
      const request = this.#waiting.shift();
      if (request === undefined) return;
      const cookie = ++this.#cookies;
      this.#open.set(cookie, request);
      this.end.send(encodeRequest(request.type, cookie, request));
      if (request.payload !== undefined) this.end.send(request.payload);
    }
  }
}

/** The error that a program sees: the kernel makes EIO of all of them. */
export function ioError(text: string): Error {
  return Object.assign(new Error(`EIO: ${text}`), { code: 'EIO' });
}

/** Commands of the transmission phase that the kernel uses. */
export const Type = { Read: 0, Write: 1, Disconnect: 2, Flush: 3 } as const;

function encodeRequest(
  type: number,
  cookie: number,
  range: { readonly offset: number; readonly length: number },
): Uint8Array {
  const bytes = new Uint8Array(REQUEST_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, REQUEST_MAGIC);
  view.setUint16(6, type);
  view.setUint32(8, COOKIE_HIGH);
  view.setUint32(12, cookie);
  view.setBigUint64(16, BigInt(range.offset));
  view.setUint32(24, range.length);
  return bytes;
}

const REQUEST_MAGIC = 0x25609513;
const REPLY_MAGIC = 0x67446698;
const REQUEST_BYTES = 28;
const REPLY_BYTES = 16;
const MAX_TAGS = 128;
const COOKIE_HIGH = 0x6e626421;
