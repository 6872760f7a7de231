/**
 * Your own software, as an example: a log in remote memory. Each record is its length (4 bytes, big
 * endian) and its text; the record behind the last one has length 0. A record counts only when its
 * length is there, so whoever reads sees all of a record or nothing of it.
 */
import {
  MEMORY_STATUS_NAMES,
  MemoryStatus,
  readMemory,
  writeMemory,
  type RemoteMemory,
} from '@oxmem/tloe-protocol';

const LENGTH_BYTES = 4;

/** The endpoint did not do what it was asked to; `status` says how. */
export class RemoteLogError extends Error {
  readonly status: MemoryStatus;

  constructor(what: string, status: MemoryStatus) {
    super(`${what}: ${MEMORY_STATUS_NAMES[status]}`);
    this.name = 'RemoteLogError';
    this.status = status;
  }
}

/** A log in the memory from offset 0 on. Whoever appends is alone. */
export class RemoteLog {
  readonly #memory: RemoteMemory;
  #end = 0;

  constructor(memory: RemoteMemory) {
    this.#memory = memory;
  }

  /** Empties the log. */
  async clear(): Promise<void> {
    this.#end = 0;
    await this.#write(0, new Uint8Array(LENGTH_BYTES));
  }

  /** Adds a record behind the last one. */
  async append(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    const body = new Uint8Array(bytes.length + LENGTH_BYTES); // ends with the next length, 0
    body.set(bytes);
    await this.#write(this.#end + LENGTH_BYTES, body);
    const length = new Uint8Array(LENGTH_BYTES);
    new DataView(length.buffer).setUint32(0, bytes.length);
    await this.#write(this.#end, length);
    this.#end += LENGTH_BYTES + bytes.length;
  }

  /** All records, the oldest first. */
  async records(): Promise<string[]> {
    const records: string[] = [];
    for (let offset = 0; ;) {
      const head = await this.#read(offset, LENGTH_BYTES);
      const length = new DataView(head.buffer, head.byteOffset).getUint32(0);
      if (length === 0) return records;
      records.push(new TextDecoder().decode(await this.#read(offset + LENGTH_BYTES, length)));
      offset += LENGTH_BYTES + length;
    }
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    const result = await readMemory(this.#memory, offset, length);
    if (result.status !== MemoryStatus.ok) throw new RemoteLogError('read', result.status);
    return result.bytes;
  }

  async #write(offset: number, bytes: Uint8Array): Promise<void> {
    const status = await writeMemory(this.#memory, offset, bytes);
    if (status !== MemoryStatus.ok) throw new RemoteLogError('write', status);
  }
}
