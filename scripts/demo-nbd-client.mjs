/**
 * A small NBD client for the demo: newstyle handshake, simple replies, any number of requests in
 * flight. Shares no code with the server that it talks to.
 */
import { connect } from 'node:net';

const greetingBytes = 18;
const fixedNewstyleNoZeroes = 3;
const optionGo = 7;
const optionMagic = Buffer.from('IHAVEOPT');
const optionReplyBytes = 20;
const optionReplyAck = 1;
const optionReplyInfo = 3;
const requestMagic = 0x25609513;
const replyMagic = 0x67446698;
const replyBytes = 16;

/** Commands of the transmission phase. */
const nbdCommand = { read: 0, write: 1, disconnect: 2, flush: 3 };

/**
 * @typedef {object} DemoRequest
 * @property {number} type
 * @property {number} offset
 * @property {number} length
 * @property {Uint8Array} [payload]
 */

/**
 * @typedef {object} PendingRequest
 * @property {Buffer | undefined} target where a read's data goes
 * @property {() => void} resolve
 * @property {(error: Error) => void} reject
 */

/** One connection to an export. */
export class DemoNbdClient {
  /** Bytes of the export. */
  sizeBytes = 0;
  /** @type {import('node:net').Socket} */
  #socket;
  /** @type {Map<number, PendingRequest>} */
  #pending = new Map();
  /** @type {Buffer[]} */
  #chunks = [];
  #chunkBytes = 0;
  #cookie = 0;
  /** The read whose data is coming in, and how much of it has come. @type {PendingRequest | undefined} */
  #current;
  #currentBytes = 0;
  /** @type {Error | undefined} */
  #failure;
  /** @type {() => void} */
  #onBytes = () => this.#takeReplies();

  /**
   * Connects to a unix socket and enters the transmission phase of the default export.
   *
   * @param {string} path
   * @returns {Promise<DemoNbdClient>}
   */
  static async connect(path) {
    const client = new DemoNbdClient(path);
    await client.#negotiate();
    return client;
  }

  /** @param {string} path */
  constructor(path) {
    this.#socket = connect(path);
    this.#socket.on('data', (chunk) => {
      this.#chunks.push(chunk);
      this.#chunkBytes += chunk.length;
      this.#onBytes();
    });
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  /**
   * @param {number} offset
   * @param {Buffer} target filled to its end
   */
  read(offset, target) {
    return this.#request({ type: nbdCommand.read, offset, length: target.length }, target);
  }

  /**
   * @param {number} offset
   * @param {Uint8Array} data left alone until the promise resolves
   */
  write(offset, data) {
    const { length } = data;
    return this.#request({ type: nbdCommand.write, offset, length, payload: data });
  }

  flush() {
    return this.#request({ type: nbdCommand.flush, offset: 0, length: 0 });
  }

  /** Says goodbye and closes. */
  close() {
    this.#send({ type: nbdCommand.disconnect, offset: 0, length: 0 });
    this.#failure = new Error('the connection is closed');
    this.#socket.end();
  }

  /** Closes without a word. */
  destroy() {
    this.#socket.destroy();
  }

  /**
   * @param {DemoRequest} request
   * @param {Buffer} [target] where a read's data goes
   * @returns {Promise<void>} rejects when the server answers with an error
   */
  #request(request, target) {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      this.#pending.set(this.#send(request), { target, resolve, reject });
    });
  }

  /**
   * @param {DemoRequest} request
   * @returns {number} cookie
   */
  #send({ type, offset, length, payload }) {
    this.#cookie = (this.#cookie + 1) >>> 0;
    const header = Buffer.alloc(28);
    header.writeUInt32BE(requestMagic, 0);
    header.writeUInt16BE(type, 6);
    header.writeUInt32BE(this.#cookie, 12);
    header.writeUInt32BE(Math.floor(offset / 2 ** 32), 16);
    header.writeUInt32BE(offset % 2 ** 32, 20);
    header.writeUInt32BE(length, 24);
    this.#socket.cork();
    this.#socket.write(header);
    if (payload !== undefined) this.#socket.write(payload);
    process.nextTick(() => this.#socket.uncork());
    return this.#cookie;
  }

  async #negotiate() {
    const greeting = await this.#take(greetingBytes);
    if (greeting.toString('latin1', 0, 8) !== 'NBDMAGIC') throw new Error('this is no NBD server');
    const go = Buffer.alloc(4 + 16 + 4 + 2);
    go.writeUInt32BE(fixedNewstyleNoZeroes, 0);
    optionMagic.copy(go, 4);
    go.writeUInt32BE(optionGo, 12);
    go.writeUInt32BE(6, 16);
    this.#socket.write(go);
    for (;;) {
      const head = await this.#take(optionReplyBytes);
      const data = await this.#take(head.readUInt32BE(16));
      const type = head.readUInt32BE(12);
      if (type === optionReplyInfo && data.readUInt16BE(0) === 0) {
        this.sizeBytes = Number(data.readBigUInt64BE(2));
      }
      if (type === optionReplyAck) break;
      if (type >= 2 ** 31) throw new Error(`the server refused: ${data.toString('latin1')}`);
    }
    this.#onBytes = () => this.#takeReplies();
  }

  /**
   * @param {number} length
   * @returns {Promise<Buffer>} the next bytes of the handshake
   */
  #take(length) {
    return new Promise((resolve, reject) => {
      this.#onBytes = () => {
        if (this.#failure !== undefined) reject(this.#failure);
        else if (this.#chunkBytes >= length) {
          this.#onBytes = () => {};
          resolve(this.#cut(length));
        }
      };
      this.#onBytes();
    });
  }

  #takeReplies() {
    for (;;) {
      if (this.#current !== undefined && !this.#fillCurrent()) return;
      if (this.#chunkBytes < replyBytes) return;
      const header = this.#cut(replyBytes);
      const pending = this.#pending.get(header.readUInt32BE(12));
      if (header.readUInt32BE(0) !== replyMagic || pending === undefined) {
        this.#fail(new Error('the server sent something that is no reply'));
        return;
      }
      this.#pending.delete(header.readUInt32BE(12));
      const error = header.readUInt32BE(4);
      if (error !== 0) pending.reject(new Error(`the server answered with error ${error}`));
      else if (pending.target === undefined) pending.resolve();
      else {
        this.#current = pending;
        this.#currentBytes = 0;
      }
    }
  }

  /** @returns {boolean} whether all data of the current read has come */
  #fillCurrent() {
    const { target, resolve } = /** @type {PendingRequest} */ (this.#current);
    const wanted = (target?.length ?? 0) - this.#currentBytes;
    const bytes = Math.min(wanted, this.#chunkBytes);
    if (target !== undefined) this.#copyOut(bytes, target, this.#currentBytes);
    this.#currentBytes += bytes;
    if (bytes < wanted) return false;
    this.#current = undefined;
    resolve();
    return true;
  }

  /**
   * @param {number} length
   * @returns {Buffer} that many bytes of what has come, which are there
   */
  #cut(length) {
    const bytes = Buffer.alloc(length);
    this.#copyOut(length, bytes, 0);
    return bytes;
  }

  /**
   * @param {number} length
   * @param {Buffer} target
   * @param {number} start
   */
  #copyOut(length, target, start) {
    let copied = 0;
    while (copied < length) {
      const chunk = /** @type {Buffer} */ (this.#chunks[0]);
      const bytes = Math.min(chunk.length, length - copied);
      chunk.copy(target, start + copied, 0, bytes);
      copied += bytes;
      if (bytes === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(bytes);
    }
    this.#chunkBytes -= length;
  }

  /** @param {Error} error */
  #fail(error) {
    this.#failure ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#failure);
    this.#pending.clear();
    this.#current?.reject(this.#failure);
    this.#current = undefined;
    this.#onBytes();
  }
}
