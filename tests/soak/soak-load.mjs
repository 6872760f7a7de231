/**
 * Requests of mixed sizes, many at a time, every byte that is read compared with what was written.
 * Goes on over errors, and over drivers that die: a write without a good answer leaves its range in
 * doubt, old bytes or new ones, until a read has shown which; from then on it must stay so.
 */
import { Prng } from '@oxmem/tloe-protocol/testing';

/** @typedef {import('../../scripts/demo-nbd-client.mjs').DemoNbdClient} DemoNbdClient */
/**
 * How the load works for a while.
 *
 * @typedef {object} LoadStyle
 * @property {string} name under which its requests are counted
 * @property {number} depth requests open at a time, up to the number of workers
 * @property {SizeMix} sizes
 */
/** @typedef {keyof typeof sizeMixes} SizeMix */
/**
 * One of those who have one request open at a time, each in a stretch of memory of its own.
 *
 * @typedef {object} Worker
 * @property {number} index
 * @property {number} start first byte of its stretch
 * @property {Buffer} model what the stretch holds
 * @property {{ at: number, data: Buffer } | undefined} doubt a write of unknown fate
 * @property {DemoNbdClient | undefined} verified the client through which all of it was read once
 * @property {number} openSinceMs of its request; 0: it has none
 * @property {string} request what it has open, for a message
 * @property {number} goodSinceMs when its last request that was answered well had begun
 */

/** Shares of lengths, longest first; each is cut to the stretch. */
const sizeMixes = {
  small: [{ share: 1, most: 4096, unit: 512 }],
  odd: [{ share: 1, most: 5000, unit: 1 }],
  mixed: [
    { share: 0.05, most: 131_072, unit: 65_536 },
    { share: 0.2, most: 32_768, unit: 4096 },
    { share: 0.5, most: 4096, unit: 4096 },
    { share: 0.25, most: 4097, unit: 1 },
  ],
  large: [{ share: 1, most: 131_072, unit: 16_384 }],
};
const writeShare = 0.5;
const flushShare = 0.01;
const verifiedBytes = 65_536;
/** After an error: nobody asks a silent endpoint a million times a second. */
const breatherMs = 20;

/** A byte was read that cannot be there: the worst that can happen. */
export class WrongByte extends Error {}

export class SoakLoad {
  /** Bytes that were read and found right. */
  bytesVerified = 0;
  /** Rejects with a `WrongByte`; resolves after `finish`. @type {Promise<unknown>} */
  ended;
  #slot;
  #meter;
  /** @type {readonly Worker[]} */
  #workers;
  #prng;
  /** @type {LoadStyle} */
  #style;
  #isFinishing = false;
  /** @type {(() => void)[]} workers that the style has no place for */
  #resting = [];

  /**
   * Begins at once. The memory holds zeroes.
   *
   * @param {{ slot: import('./client-slot.mjs').ClientSlot,
   *   meter: import('./load-meter.mjs').LoadMeter }} ports
   * @param {{ seed: number, workers: number, stretchBytes: number, spacingBytes: number }} place
   *   stretch n begins at n times `spacingBytes`
   * @param {LoadStyle} style
   */
  constructor(ports, place, style) {
    this.#slot = ports.slot;
    this.#meter = ports.meter;
    this.#style = style;
    this.#prng = new Prng(place.seed).fork('load');
    this.#workers = Array.from({ length: place.workers }, (_, index) => ({
      index,
      start: index * place.spacingBytes,
      model: Buffer.alloc(place.stretchBytes),
      doubt: undefined,
      verified: undefined,
      openSinceMs: 0,
      request: '',
      goodSinceMs: 0,
    }));
    this.ended = Promise.all(this.#workers.map((worker) => this.#work(worker)));
    this.ended.catch(() => undefined);
  }

  /** @param {LoadStyle} style from the next requests on */
  setStyle(style) {
    this.#style = style;
    for (const resume of this.#resting.splice(0)) resume();
  }

  /**
   * Lets it work for a while.
   *
   * @param {number} ms
   * @throws {WrongByte} as soon as one was read
   */
  async runFor(ms) {
    /** @type {NodeJS.Timeout | undefined} */
    let timer;
    const over = new Promise((resolve) => (timer = setTimeout(resolve, ms)));
    await Promise.race([over, this.ended]).finally(() => clearTimeout(timer));
  }

  /** The request that is open for the longest time. */
  oldest() {
    const open = this.#workers.filter(({ openSinceMs }) => openSinceMs > 0);
    open.sort((a, b) => a.openSinceMs - b.openSinceMs);
    const [first] = open;
    if (first === undefined) return { ms: 0, request: 'none' };
    return { ms: performance.now() - first.openSinceMs, request: first.request };
  }

  /** Whether everybody at work has had a good answer to a request begun after that. @param {number} ms */
  isGoodSince(ms) {
    const busy = this.#workers.slice(0, this.#style.depth);
    return busy.every(({ goodSinceMs }) => goodSinceMs > ms);
  }

  /** Whether everybody has read all of its stretch through the client of now. */
  isAllVerified() {
    const { client } = this.#slot;
    return client !== undefined && this.#workers.every(({ verified }) => verified === client);
  }

  /** Reads everything once more, then ends. */
  async finish() {
    for (const worker of this.#workers) worker.verified = undefined;
    this.#isFinishing = true;
    this.setStyle({ ...this.#style, depth: this.#workers.length });
    this.#slot.wakeAll();
    await this.ended;
  }

  /** @param {Worker} worker */
  async #work(worker) {
    for (;;) {
      const { client } = this.#slot;
      const isDone = client === undefined || worker.verified === client;
      if (this.#isFinishing && isDone) return;
      if (worker.index >= this.#style.depth) await this.#rest();
      else if (client === undefined) await this.#slot.wait();
      else if (worker.verified !== client) await this.#verify(worker, client);
      else if (worker.doubt !== undefined) await this.#settle(worker, client);
      else await this.#ask(worker, client);
    }
  }

  /** @returns {Promise<void>} */
  #rest() {
    return new Promise((resolve) => {
      this.#resting.push(resolve);
    });
  }

  /** Reads the whole stretch, all that was acknowledged whenever. @param {Worker} worker @param {DemoNbdClient} client */
  async #verify(worker, client) {
    const { length } = worker.model;
    for (let at = 0; at < length; at += verifiedBytes) {
      if (!(await this.#read(worker, client, at, Math.min(verifiedBytes, length - at)))) return;
    }
    worker.doubt = undefined;
    worker.verified = client;
  }

  /** @param {Worker} worker @param {DemoNbdClient} client */
  async #settle(worker, client) {
    if (worker.doubt === undefined) return;
    const { at, data } = worker.doubt;
    if (await this.#read(worker, client, at, data.length)) worker.doubt = undefined;
  }

  /** A request by chance. @param {Worker} worker @param {DemoNbdClient} client */
  async #ask(worker, client) {
    const prng = this.#prng;
    if (prng.chance(flushShare)) {
      await this.#request(worker, 'flush', 0, () => client.flush());
      return;
    }
    const { at, length } = this.#place(worker.model.length);
    if (!prng.chance(writeShare)) {
      await this.#read(worker, client, at, length);
      return;
    }
    const data = randomBytes(length, prng);
    const start = worker.start + at;
    const what = `write of ${length} at ${start}`;
    if (await this.#request(worker, what, length, () => client.write(start, data))) {
      data.copy(worker.model, at);
    } else worker.doubt = { at, data };
  }

  /** @param {number} stretchBytes */
  #place(stretchBytes) {
    let point = this.#prng.nextFloat();
    const mix = sizeMixes[this.#style.sizes];
    const kind = mix.find(({ share }) => (point -= share) < 0) ?? mix[0];
    if (kind === undefined) throw new Error('a mix has a size');
    const { most, unit } = kind;
    const bytes = unit * (1 + this.#prng.below(Math.ceil(most / unit)));
    const length = Math.min(bytes, stretchBytes);
    const places = Math.floor((stretchBytes - length) / unit) + 1;
    return { at: unit * this.#prng.below(places), length };
  }

  /**
   * @param {Worker} worker
   * @param {DemoNbdClient} client
   * @param {number} at
   * @param {number} length
   * @returns {Promise<boolean>} false: it was not answered well
   */
  async #read(worker, client, at, length) {
    const start = worker.start + at;
    const got = Buffer.allocUnsafe(length);
    const what = `read of ${length} at ${start}`;
    const isGood = await this.#request(worker, what, length, () => client.read(start, got));
    if (isGood) this.#compare(worker, at, got);
    return isGood;
  }

  /** What was read is what the stretch holds from now on. @param {Worker} worker @param {number} at @param {Buffer} got */
  #compare({ start, model, doubt }, at, got) {
    this.bytesVerified += got.length;
    if (got.compare(model, at, at + got.length) === 0) return;
    for (let i = 0; i < got.length; i++) {
      const old = model[at + i];
      const possible = doubt?.data[at + i - doubt.at];
      if (got[i] === old || got[i] === possible) continue;
      const allowed = possible === undefined ? `${old}` : `${old} or ${possible}`;
      throw new WrongByte(
        `byte ${start + at + i}, of a read of ${got.length} at ${start + at}, is ${got[i]}; ` +
          `it must be ${allowed}`,
      );
    }
    got.copy(model, at);
  }

  /**
   * @param {Worker} worker
   * @param {string} what
   * @param {number} bytes
   * @param {() => Promise<void>} send
   * @returns {Promise<boolean>} whether it was answered well
   */
  async #request(worker, what, bytes, send) {
    const phase = this.#style.name;
    const sinceMs = performance.now();
    worker.openSinceMs = sinceMs;
    worker.request = `${what} (begun during: ${phase})`;
    try {
      await send();
      this.#meter.done(phase, (performance.now() - sinceMs) * 1000, bytes);
      worker.goodSinceMs = sinceMs;
      return true;
    } catch (error) {
      this.#meter.failed(phase, causeOf(error));
      await new Promise((resolve) => setTimeout(resolve, breatherMs));
      return false;
    } finally {
      worker.openSinceMs = 0;
    }
  }
}

/** @param {number} length @param {Prng} prng */
function randomBytes(length, prng) {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = prng.nextUint32();
  return Buffer.from(words.buffer, 0, length);
}

/** @param {unknown} error */
function causeOf(error) {
  const { message } = /** @type {Error} */ (error);
  const errno = /answered with error (\d+)/.exec(message)?.[1];
  if (errno === undefined) return 'connection ended';
  return errno === '5' ? 'EIO' : `error ${errno}`;
}
