/**
 * A block device of the kernel, as the demo's workload uses it: every request goes to the device,
 * past the page cache. The same methods as DemoNbdClient has.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

const blockBytes = 4096;
const slotBytes = 128 * 1024 + 2 * blockBytes;
/** As many requests as the workload has in flight at most. */
const slotCount = 32;

export class DemoDeviceClient {
  #handle;
  #memory;
  /** Starts of the free slots of the memory. */
  #free;

  /** @param {string} path of the device node */
  static async connect(path) {
    const handle = await open(path, constants.O_RDWR | constants.O_DIRECT);
    const memory = Buffer.allocUnsafeSlow(slotCount * slotBytes + blockBytes);
    try {
      return new DemoDeviceClient(handle, memory, await alignedStart(handle, memory));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /**
   * @param {import('node:fs/promises').FileHandle} handle
   * @param {Buffer} memory
   * @param {number} start
   */
  constructor(handle, memory, start) {
    this.#handle = handle;
    this.#memory = memory;
    this.#free = Array.from({ length: slotCount }, (_, i) => start + i * slotBytes);
  }

  /**
   * @param {number} offset
   * @param {Buffer} target
   */
  async read(offset, target) {
    await this.#withSlot(async (slot) => {
      const { first, length } = blocksAround(offset, target.length);
      await this.#transfer('read', slot, length, first);
      this.#memory.copy(target, 0, slot + offset - first, slot + offset - first + target.length);
    });
  }

  /**
   * @param {number} offset
   * @param {Buffer} data
   */
  async write(offset, data) {
    await this.#withSlot(async (slot) => {
      const { first, length } = blocksAround(offset, data.length);
      // Only whole blocks can be written: what stands around the data is read first.
      if (length !== data.length) await this.#transfer('read', slot, length, first);
      data.copy(this.#memory, slot + offset - first);
      await this.#transfer('write', slot, length, first);
    });
  }

  async flush() {
    await this.#handle.sync();
  }

  async close() {
    await this.#handle.close();
  }

  /** @param {(slot: number) => Promise<void>} use */
  async #withSlot(use) {
    const slot = this.#free.pop();
    if (slot === undefined) throw new Error(`more than ${slotCount} requests at a time`);
    try {
      await use(slot);
    } finally {
      this.#free.push(slot);
    }
  }

  /**
   * @param {'read' | 'write'} way
   * @param {number} slot
   * @param {number} length
   * @param {number} position
   */
  async #transfer(way, slot, length, position) {
    const done =
      way === 'read'
        ? (await this.#handle.read(this.#memory, slot, length, position)).bytesRead
        : (await this.#handle.write(this.#memory, slot, length, position)).bytesWritten;
    if (done !== length) throw new Error(`a ${way} of ${length} bytes gave ${done}`);
  }
}

/**
 * Node does not say where memory lies, and the kernel takes direct requests only at its alignment:
 * so it is asked.
 *
 * @param {import('node:fs/promises').FileHandle} handle
 * @param {Buffer} memory
 * @returns {Promise<number>} the first byte of the memory that the kernel takes
 */
async function alignedStart(handle, memory) {
  for (let start = 0; start < blockBytes; start += 8) {
    try {
      await handle.read(memory, start, blockBytes, 0);
      return start;
    } catch (error) {
      const isMisaligned = error instanceof Error && 'code' in error && error.code === 'EINVAL';
      if (!isMisaligned) throw error;
    }
  }
  throw new Error('the kernel takes no direct request from this process');
}

/**
 * @param {number} offset
 * @param {number} length
 */
function blocksAround(offset, length) {
  const first = offset - (offset % blockBytes);
  const end = Math.ceil((offset + length) / blockBytes) * blockBytes;
  return { first, length: end - first };
}
