/** Random reads and writes with many open at a time, every byte compared with a model. */
import { Prng } from '@oxmem/tloe-protocol/testing';
import type { NbdSocketClient } from './nbd-socket-client.ts';

/** Where a load works, and how hard. */
export interface LoadOptions {
  readonly seed: number;
  /** Bytes of the export that belong to this load alone; a multiple of 64 KiB times `depth`. */
  readonly start: number;
  readonly bytes: number;
  /** Requests open at a time. Default 16. */
  readonly depth?: number;
}

/** See the head of this file. Begins at once; each worker has its own stretch of the range. */
export class VerifiedLoad {
  /** Requests that were answered and found right. */
  requests = 0;
  readonly #client: NbdSocketClient;
  readonly #options: Required<LoadOptions>;
  readonly #model: Buffer;
  readonly #workers: Promise<unknown>;
  #isStopping = false;

  constructor(client: NbdSocketClient, options: LoadOptions) {
    this.#client = client;
    this.#options = { depth: 16, ...options };
    this.#model = Buffer.alloc(options.bytes);
    const workers = Array.from({ length: this.#options.depth }, (_, index) => this.#work(index));
    this.#workers = Promise.all(workers);
    // Whoever calls `finish` gets the error; until then nobody listens.
    this.#workers.catch(() => {});
  }

  /**
   * Lets what is open come to its end.
   *
   * @throws Error with the first request that failed or returned wrong data
   */
  async finish(): Promise<void> {
    this.#isStopping = true;
    await this.#workers;
  }

  /** Finishes, then compares the whole range, through any client of the same memory. */
  async finishAndCompare(client: NbdSocketClient = this.#client, shift = 0): Promise<void> {
    await this.finish();
    const { start, bytes } = this.#options;
    for (let at = 0; at < bytes; at += COMPARED_BYTES) {
      const length = Math.min(COMPARED_BYTES, bytes - at);
      const got = await client.read(start + shift + at, length);
      this.#compare(got, at);
    }
  }

  /** Resolves once so many requests were found right. */
  async reach(requests: number): Promise<void> {
    while (this.requests < requests) {
      const isOver = await Promise.race([
        this.#workers.then(() => true),
        new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 5)),
      ]);
      if (isOver) throw new Error('the load has ended before');
    }
  }

  async #work(index: number): Promise<void> {
    const { seed, start, bytes, depth } = this.#options;
    const prng = new Prng(seed * 1000 + index);
    const stretch = Math.floor(bytes / depth);
    const first = index * stretch;
    await this.#write(first, fill(prng, stretch));
    while (!this.#isStopping) {
      const length = 1 + (prng.nextUint32() % Math.min(stretch, LONGEST_BYTES));
      const at = first + (prng.nextUint32() % (stretch - length + 1));
      if (prng.nextFloat() < 0.5) await this.#write(at, fill(prng, length));
      else this.#compare(await this.#client.read(start + at, length), at);
      this.requests++;
    }
  }

  async #write(at: number, data: Buffer): Promise<void> {
    await this.#client.write(this.#options.start + at, data);
    data.copy(this.#model, at);
  }

  #compare(got: Buffer, at: number): void {
    const expected = this.#model.subarray(at, at + got.length);
    if (got.equals(expected)) return;
    const wrong = got.findIndex((byte, index) => byte !== expected[index]);
    throw new Error(`byte ${this.#options.start + at + wrong} is wrong`);
  }
}

const LONGEST_BYTES = 16384;
const COMPARED_BYTES = 2 ** 20;

function fill(prng: Prng, length: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = prng.nextUint32();
  return Buffer.from(words.buffer, 0, length);
}
