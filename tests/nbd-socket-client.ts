/**
 * An NBD client over a unix socket for tests: many requests at a time, simple replies, and the raw
 * socket for a test that wants to misbehave. It shares no code with the server but the constants.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { Command, Option } from '@oxmem/nbd-protocol';

/** The answer to one request. */
export interface NbdAnswer {
  /** 0: success. */
  readonly error: number;
  /** What a read returned. */
  readonly data: Buffer;
}

interface OpenRequest {
  readonly readBytes: number;
  readonly resolve: (answer: NbdAnswer) => void;
  readonly reject: (error: Error) => void;
}

/** See the head of this file. */
export class NbdSocketClient {
  readonly socket: Socket;
  /** Of the export, in bytes; known after the handshake. */
  sizeBytes = 0;
  /** Resolves when the connection is over, whoever ended it. */
  readonly closed: Promise<void>;
  /** The connection is over. */
  isClosed = false;
  /** Bytes of one reply that have come so far, in pieces. */
  #parts: Buffer[] = [];
  #partBytes = 0;
  #wantedBytes = GREETING_BYTES;
  #onPiece: (bytes: Buffer) => void = () => {};
  readonly #open = new Map<number, OpenRequest>();
  #lastCookie = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.isClosed = true;
        const error = new Error('the server has closed the connection');
        for (const request of this.#open.values()) request.reject(error);
        this.#open.clear();
        resolve();
      });
    });
  }

  /** Connects without saying a word. */
  static async dial(path: string): Promise<NbdSocketClient> {
    const socket = connect(path);
    const client = new NbdSocketClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return client;
  }

  /** Connects and shakes hands for the default export. */
  static async open(path: string): Promise<NbdSocketClient> {
    const client = await NbdSocketClient.dial(path);
    await client.shakeHands();
    return client;
  }

  /** Fixed newstyle handshake with OPT_GO; afterwards requests may be sent. */
  async shakeHands(): Promise<void> {
    const greeting = await this.#take(GREETING_BYTES);
    if (greeting.toString('latin1', 0, 16) !== 'NBDMAGICIHAVEOPT') throw new Error('no NBD server');
    const go = Buffer.alloc(4 + 16 + 6);
    go.writeUInt32BE(3, 0);
    go.write('IHAVEOPT', 4, 'latin1');
    go.writeUInt32BE(Option.GO, 12);
    go.writeUInt32BE(6, 16);
    this.socket.write(go);
    for (;;) {
      const header = await this.#take(OPTION_REPLY_BYTES);
      const data = await this.#take(header.readUInt32BE(16));
      const type = header.readUInt32BE(12);
      if (type === OPTION_ACK) break;
      if (type !== OPTION_INFO) throw new Error(`GO was refused: ${type.toString(16)}`);
      if (data.readUInt16BE(0) === 0) this.sizeBytes = Number(data.readBigUInt64BE(2));
    }
    this.#awaitReply();
  }

  /** @returns the data, or throws when the server says that it failed */
  async read(offset: number, length: number): Promise<Buffer> {
    const { error, data } = await this.request(Command.READ, offset, length);
    if (error !== 0) throw new Error(`read of ${length} at ${offset} failed: error ${error}`);
    return data;
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    const { error } = await this.request(Command.WRITE, offset, data.length, data);
    if (error !== 0) throw new Error(`write of ${data.length} at ${offset}: error ${error}`);
  }

  /** Sends any request; its answer may say that it failed. */
  request(
    type: number,
    offset: number,
    length: number,
    payload?: Uint8Array,
    flags = 0,
  ): Promise<NbdAnswer> {
    if (this.isClosed) return Promise.reject(new Error('the connection is closed'));
    const cookie = ++this.#lastCookie;
    this.socket.write(requestHeader({ type, offset, length, flags, cookie }));
    if (payload !== undefined) this.socket.write(payload);
    return new Promise((resolve, reject) => {
      const readBytes = type === Command.READ ? length : 0;
      this.#open.set(cookie, { readBytes, resolve, reject });
    });
  }

  /** Leaves as the protocol wants it. */
  async disconnect(): Promise<void> {
    if (!this.isClosed) {
      const header = { type: Command.DISC, offset: 0, length: 0, flags: 0, cookie: 0 };
      this.socket.end(requestHeader(header));
    }
    await this.closed;
  }

  /** Vanishes. */
  destroy(): void {
    this.socket.destroy();
  }

  #awaitReply(): void {
    this.#expect(REPLY_BYTES, (header) => {
      if (header.readUInt32BE(0) !== REPLY_MAGIC) {
        this.socket.destroy(new Error('a reply has a wrong magic number'));
        return;
      }
      const error = header.readUInt32BE(4);
      const cookie = Number(header.readBigUInt64BE(8));
      const request = this.#open.get(cookie);
      if (request === undefined) {
        this.socket.destroy(new Error(`a reply to no request: ${cookie}`));
        return;
      }
      this.#expect(error === 0 ? request.readBytes : 0, (data) => {
        this.#open.delete(cookie);
        this.#awaitReply();
        request.resolve({ error, data });
      });
    });
  }

  #take(length: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.isClosed) reject(new Error('the connection was closed during the handshake'));
      this.socket.once('close', () => {
        reject(new Error('the connection was closed during the handshake'));
      });
      // What follows is not touched until the next `take`.
      this.#expect(length, (bytes) => {
        this.#wantedBytes = Infinity;
        resolve(bytes);
      });
    });
  }

  #expect(length: number, onPiece: (bytes: Buffer) => void): void {
    this.#wantedBytes = length;
    this.#onPiece = onPiece;
    if (!this.#isDraining) this.#drain();
  }

  #isDraining = false;

  #receive(bytes: Buffer): void {
    this.#parts.push(bytes);
    this.#partBytes += bytes.length;
    this.#drain();
  }

  #drain(): void {
    this.#isDraining = true;
    while (this.#partBytes >= this.#wantedBytes) {
      const [first = Buffer.alloc(0)] = this.#parts;
      const whole = first.length >= this.#wantedBytes ? first : Buffer.concat(this.#parts);
      if (whole !== first) this.#parts = [whole];
      const piece = whole.subarray(0, this.#wantedBytes);
      this.#parts[0] = whole.subarray(this.#wantedBytes);
      this.#partBytes -= this.#wantedBytes;
      if (this.#parts[0].length === 0) this.#parts.shift();
      this.#onPiece(piece);
    }
    this.#isDraining = false;
  }
}

/** The 28 bytes before a request's payload. */
export function requestHeader(fields: {
  readonly type: number;
  readonly offset: number;
  readonly length: number;
  readonly flags: number;
  readonly cookie: number;
}): Buffer {
  const header = Buffer.alloc(28);
  header.writeUInt32BE(REQUEST_MAGIC, 0);
  header.writeUInt16BE(fields.flags, 4);
  header.writeUInt16BE(fields.type, 6);
  header.writeBigUInt64BE(BigInt(fields.cookie), 8);
  header.writeBigUInt64BE(BigInt(fields.offset), 16);
  header.writeUInt32BE(fields.length, 24);
  return header;
}

const GREETING_BYTES = 18;
const OPTION_REPLY_BYTES = 20;
const OPTION_ACK = 1;
const OPTION_INFO = 3;
const REPLY_BYTES = 16;
const REQUEST_MAGIC = 0x25609513;
const REPLY_MAGIC = 0x67446698;
