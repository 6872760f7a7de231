import {
  ByteRegion,
  MEMORY_STATUS_NAMES,
  MemoryRequest,
  MemoryStatus,
  RequestKind,
} from '@oxmem/tloe-protocol';

/** @typedef {import('./load-run.mjs').LoadPort} LoadPort */

/**
 * Load straight on an initiator, without NBD and without a socket for it.
 *
 * @implements {LoadPort}
 */
export class InitiatorClient {
  /** @type {import('./load-run.mjs').LoadListener | undefined} */
  listener = undefined;
  #memory;
  #pattern;
  #requests;
  #buffers;
  #done;
  #doneCount = 0;
  #isReportAsked = false;

  /**
   * @param {import('@oxmem/tloe-protocol').RemoteMemory} memory an open connection
   * @param {import('./test-pattern.mjs').TestPattern} pattern what the memory must hold
   * @param {{ depth: number, requestBytes: number }} most of what will be in flight at once
   */
  constructor(memory, pattern, { depth, requestBytes }) {
    this.#memory = memory;
    this.#pattern = pattern;
    this.#done = new Int32Array(depth);
    this.#buffers = Array.from({ length: depth }, () => Buffer.alloc(requestBytes));
    this.#requests = this.#buffers.map((buffer, slot) => {
      const request = new MemoryRequest(this);
      request.buffer = new ByteRegion(buffer);
      request.tag = slot;
      return request;
    });
  }

  /** @type {LoadPort['read']} */
  read(slot, offset, length) {
    this.#submit(slot, RequestKind.read, { offset, length });
  }

  /** @type {LoadPort['write']} */
  write(slot, offset, length) {
    this.#pattern.writeNext(offset, this.#bufferAt(slot), 0, length);
    this.#submit(slot, RequestKind.write, { offset, length });
  }

  /** @type {LoadPort['flush']} */
  flush() {
    this.#memory.kick();
  }

  /** @type {import('@oxmem/tloe-protocol').RequestOwner['requestDone']} */
  requestDone(request, status) {
    const slot = /** @type {number} */ (request.tag);
    if (status !== MemoryStatus.ok) {
      this.listener?.onFailure(new Error(`a request ended as ${MEMORY_STATUS_NAMES[status]}`));
      return;
    }
    this.#done[this.#doneCount++] = slot;
    if (this.#isReportAsked) return;
    this.#isReportAsked = true;
    // Not from inside the pump: it would be entered again.
    queueMicrotask(this.#report);
  }

  #report = () => {
    this.#isReportAsked = false;
    const count = this.#doneCount;
    this.#doneCount = 0;
    for (let i = 0; i < count; i++) {
      const slot = /** @type {number} */ (this.#done[i]);
      const { kind, offset, length } = this.#requestAt(slot);
      if (kind !== RequestKind.read) continue;
      const wrong = this.#pattern.mismatch(offset, this.#bufferAt(slot), 0, length);
      if (wrong >= 0) this.listener?.onFailure(new Error(`wrong data at byte ${wrong}`));
    }
    this.listener?.onDone(this.#done, count);
  };

  /**
   * @param {number} slot
   * @param {import('@oxmem/tloe-protocol').RequestKind} kind
   * @param {{ offset: number, length: number }} range
   */
  #submit(slot, kind, { offset, length }) {
    const request = this.#requestAt(slot);
    request.kind = kind;
    request.offset = offset;
    request.length = length;
    this.#memory.submit(request);
  }

  /** @param {number} slot */
  #requestAt(slot) {
    const request = this.#requests[slot];
    if (request === undefined) throw new Error(`there is no slot ${slot}`);
    return request;
  }

  /** @param {number} slot */
  #bufferAt(slot) {
    const buffer = this.#buffers[slot];
    if (buffer === undefined) throw new Error(`there is no slot ${slot}`);
    return buffer;
  }
}
