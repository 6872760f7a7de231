import { connect } from 'node:net';
import { Command } from '@oxmem/nbd-protocol';
import { NbdTestClient } from '@oxmem/nbd-protocol/testing';

/** NBD protocol, "Request message" and "Simple reply message". */
const REQUEST_MAGIC = 0x25609513;
const REQUEST_HEADER_BYTES = 28;
const SIMPLE_REPLY_MAGIC = 0x67446698;
const SIMPLE_REPLY_BYTES = 16;
/** The upper half of every cookie; the lower half is the slot. */
const COOKIE_HIGH = 0x62656e63;

const RECEIVE_BUFFER_BYTES = 1 << 20;

/** @typedef {import('./load-run.mjs').LoadPort} LoadPort */

/**
 * A client of an NBD export that costs little itself: one socket, simple replies, every buffer made
 * once, replies checked against the pattern where they lie.
 *
 * @implements {LoadPort}
 */
export class NbdClient {
  /** @type {import('./load-run.mjs').LoadListener | undefined} */
  listener = undefined;
  /** Size of the export in bytes; known once connected. */
  exportBytes = 0;
  #pattern;
  #socket;
  /** @type {NbdTestClient | undefined} until the transmission phase begins */
  #handshake = new NbdTestClient();
  /** @type {(() => void) | undefined} */
  #onReady = undefined;
  /** @type {((error: Error) => void) | undefined} */
  #onRefused = undefined;
  #isCorked = false;
  #isClosing = false;
  #slots;

  // The reply that is being received: its header until whole, then what is left of its data.
  #header = Buffer.alloc(SIMPLE_REPLY_BYTES);
  #headerBytes = 0;
  #slot = 0;
  #dataLeft = 0;
  #done;
  #doneCount = 0;

  /**
   * Connects and shakes hands.
   *
   * @param {string} path of a unix socket
   * @param {import('./test-pattern.mjs').TestPattern} pattern what the memory must hold
   * @param {{ depth: number, requestBytes: number }} most of what will be in flight at once
   * @returns {Promise<NbdClient>}
   * @throws {Error} when nobody answers or the server breaks the protocol
   */
  static connect(path, pattern, most) {
    return new Promise((resolve, reject) => {
      const client = new NbdClient(path, pattern, most);
      client.#onReady = () => resolve(client);
      client.#onRefused = reject;
    });
  }

  /**
   * @param {string} path
   * @param {import('./test-pattern.mjs').TestPattern} pattern
   * @param {{ depth: number, requestBytes: number }} most
   */
  constructor(path, pattern, { depth, requestBytes }) {
    this.#pattern = pattern;
    this.#slots = Array.from({ length: depth }, (_, slot) => new RequestSlot(slot, requestBytes));
    this.#done = new Int32Array(depth);
    this.#socket = connect({
      path,
      onread: {
        buffer: Buffer.alloc(RECEIVE_BUFFER_BYTES),
        callback: (count, buffer) => this.#onBytes(/** @type {Buffer} */ (buffer), count),
      },
    });
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => {
      if (!this.#isClosing) this.#fail(new Error('the server closed the connection'));
    });
    this.#handshake?.sendHandshake();
  }

  /** @type {LoadPort['read']} */
  read(slot, offset, length) {
    const request = this.#slotAt(slot);
    request.begin(Command.READ, offset, length);
    this.#send(request.headerBytes);
  }

  /** @type {LoadPort['write']} */
  write(slot, offset, length) {
    const request = this.#slotAt(slot);
    request.begin(Command.WRITE, offset, length);
    this.#pattern.writeNext(offset, request.bytes, REQUEST_HEADER_BYTES, length);
    this.#send(request.wholeBytes(length));
  }

  /** @type {LoadPort['flush']} */
  flush() {
    this.#isCorked = false;
    this.#socket.uncork();
  }

  /** Says good-bye; resolves when the connection is closed. */
  close() {
    this.#isClosing = true;
    const request = new RequestSlot(0, 0);
    request.begin(Command.DISC, 0, 0);
    return new Promise((resolve) => {
      this.#socket.once('close', resolve);
      this.#socket.end(request.headerBytes);
      this.#socket.setTimeout(2_000, () => this.#socket.destroy());
    });
  }

  /** @param {Uint8Array} bytes the socket looks at them until they are sent */
  #send(bytes) {
    if (!this.#isCorked) this.#socket.cork();
    this.#isCorked = true;
    this.#socket.write(bytes);
  }

  /**
   * @param {Buffer} buffer
   * @param {number} count
   * @returns {boolean} go on reading
   */
  #onBytes(buffer, count) {
    try {
      if (this.#handshake === undefined) this.#onReplies(buffer, count);
      else this.#shakeHands(this.#handshake, buffer.subarray(0, count));
    } catch (error) {
      this.#fail(/** @type {Error} */ (error));
    }
    return !this.#socket.destroyed;
  }

  /**
   * @param {NbdTestClient} handshake
   * @param {Buffer} bytes
   */
  #shakeHands(handshake, bytes) {
    handshake.receive(bytes);
    if (handshake.handshakeFlags !== undefined) {
      const answer = handshake.takeOutgoing();
      if (answer.length > 0) this.#socket.write(answer);
    }
    if (!handshake.inTransmission) return;
    this.exportBytes = handshake.exportInfo?.sizeBytes ?? 0;
    this.#handshake = undefined;
    this.#onReady?.();
  }

  /**
   * @param {Buffer} buffer
   * @param {number} count
   */
  #onReplies(buffer, count) {
    let at = 0;
    while (at < count) {
      at =
        this.#dataLeft > 0
          ? this.#takeData(buffer, at, count)
          : this.#takeHeader(buffer, at, count);
    }
    const done = this.#doneCount;
    this.#doneCount = 0;
    if (done > 0) this.listener?.onDone(this.#done, done);
  }

  /**
   * @param {Buffer} buffer
   * @param {number} at
   * @param {number} end
   * @returns {number} where the next bytes are
   */
  #takeHeader(buffer, at, end) {
    const take = Math.min(SIMPLE_REPLY_BYTES - this.#headerBytes, end - at);
    buffer.copy(this.#header, this.#headerBytes, at, at + take);
    this.#headerBytes += take;
    if (this.#headerBytes < SIMPLE_REPLY_BYTES) return at + take;
    this.#headerBytes = 0;
    const header = this.#header;
    if (header.readUInt32BE(0) !== SIMPLE_REPLY_MAGIC || header.readUInt32BE(8) !== COOKIE_HIGH) {
      throw new Error('a reply with a wrong magic number or cookie');
    }
    this.#slot = header.readUInt32BE(12);
    const request = this.#slotAt(this.#slot);
    if (!request.isOpen) throw new Error(`a reply to no request, slot ${this.#slot}`);
    const error = header.readUInt32BE(4);
    if (error !== 0) throw new Error(`${request.describe()} failed with error ${error}`);
    this.#dataLeft = request.isRead ? request.length : 0;
    if (this.#dataLeft === 0) this.#finish(request);
    return at + take;
  }

  /**
   * @param {Buffer} buffer
   * @param {number} at
   * @param {number} end
   * @returns {number} where the next bytes are
   */
  #takeData(buffer, at, end) {
    const request = this.#slotAt(this.#slot);
    const take = Math.min(this.#dataLeft, end - at);
    const offset = request.offset + request.length - this.#dataLeft;
    const wrong = this.#pattern.mismatch(offset, buffer, at, at + take);
    if (wrong >= 0) {
      throw new Error(`${request.describe()} brought wrong data at byte ${wrong} of the export`);
    }
    this.#dataLeft -= take;
    if (this.#dataLeft === 0) this.#finish(request);
    return at + take;
  }

  /** @param {RequestSlot} request */
  #finish(request) {
    request.isOpen = false;
    this.#done[this.#doneCount++] = this.#slot;
  }

  /** @param {number} slot */
  #slotAt(slot) {
    const request = this.#slots[slot];
    if (request === undefined) throw new Error(`there is no slot ${slot}`);
    return request;
  }

  /** @param {Error} error */
  #fail(error) {
    this.#isClosing = true;
    this.#socket.destroy();
    this.#onRefused?.(error);
    this.listener?.onFailure(error);
  }
}

/** One request and the bytes that carry it: the header, and room for the data of a write. */
class RequestSlot {
  isOpen = false;
  isRead = false;
  offset = 0;
  length = 0;
  bytes;
  headerBytes;
  #whole;

  /**
   * @param {number} slot
   * @param {number} dataBytes
   */
  constructor(slot, dataBytes) {
    this.bytes = Buffer.alloc(REQUEST_HEADER_BYTES + dataBytes);
    this.headerBytes = this.bytes.subarray(0, REQUEST_HEADER_BYTES);
    this.#whole = this.bytes;
    this.bytes.writeUInt32BE(REQUEST_MAGIC, 0);
    this.bytes.writeUInt32BE(COOKIE_HIGH, 8);
    this.bytes.writeUInt32BE(slot, 12);
  }

  /**
   * @param {number} command
   * @param {number} offset
   * @param {number} length
   */
  begin(command, offset, length) {
    this.isOpen = true;
    this.isRead = command === Command.READ;
    this.offset = offset;
    this.length = length;
    this.bytes.writeUInt16BE(command, 6);
    this.bytes.writeUInt32BE(Math.floor(offset / 2 ** 32), 16);
    this.bytes.writeUInt32BE(offset % 2 ** 32, 20);
    this.bytes.writeUInt32BE(length, 24);
  }

  /**
   * @param {number} dataBytes
   * @returns {Buffer} header and data; the same view as long as the length stays the same
   */
  wholeBytes(dataBytes) {
    const bytes = REQUEST_HEADER_BYTES + dataBytes;
    if (this.#whole.length !== bytes) this.#whole = this.bytes.subarray(0, bytes);
    return this.#whole;
  }

  describe() {
    return `the ${this.isRead ? 'read' : 'write'} of ${this.length} bytes at ${this.offset}`;
  }
}
