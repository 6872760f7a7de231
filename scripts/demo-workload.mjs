/** What the demo does with the remote memory: write, read back, compare. */
import { createHash } from 'node:crypto';
import { createBar, formatOperations, formatThroughput } from './demo-report.mjs';

const mebibyte = 2 ** 20;
const sequentialRequestBytes = 128 * 1024;
/** How much of the whole workload is run; tests on an emulated processor run less. */
const part = Number(process.env.OXMEM_DEMO_PERCENT ?? 100) / 100;
const sequentialBytes = Math.ceil(512 * part) * sequentialRequestBytes;
const sequentialDepth = 16;
const blockBytes = 4096;
const randomOperations = 20_000 * part;
const randomDepth = 32;
const singleOperations = 2_000 * part;
const unalignedOperations = 1_000 * part;
const unalignedMaxBytes = 4097;

/**
 * @typedef {object} Client
 * @property {(offset: number, target: Buffer) => Promise<void>} read
 * @property {(offset: number, data: Buffer) => Promise<void>} write
 * @property {() => Promise<void>} flush
 */
/** @typedef {import('./demo-report.mjs').Measurement} Measurement */

/**
 * Runs the whole workload.
 *
 * @param {Client} client
 * @param {AbortSignal} signal ends it between two requests
 * @returns {Promise<Measurement[]>}
 * @throws {Error} at the first byte that is not what was written
 */
export async function runWorkload(client, signal) {
  const model = randomBytes(sequentialBytes, 1);
  const context = { client, model, signal, random: xorshift(2) };
  return [
    await writeSequentially(context),
    await readSequentially(context),
    await mixRandomly(context),
    await readSingly(context),
    await writeUnaligned(context),
  ];
}

/**
 * @typedef {object} Context
 * @property {Client} client
 * @property {Buffer} model what the memory should hold
 * @property {AbortSignal} signal
 * @property {() => number} random unsigned 32-bit numbers
 */

/** @param {Context} context */
function writeSequentially({ client, model, signal }) {
  const count = sequentialBytes / sequentialRequestBytes;
  return measure(
    { what: 'sequential write, 128 KiB, depth 16', count, depth: sequentialDepth, signal },
    (i) => {
      const offset = i * sequentialRequestBytes;
      return client.write(offset, model.subarray(offset, offset + sequentialRequestBytes));
    },
    { bytes: sequentialBytes, finish: () => client.flush() },
  );
}

/** @param {Context} context */
function readSequentially({ client, model, signal }) {
  const count = sequentialBytes / sequentialRequestBytes;
  const copy = Buffer.alloc(sequentialBytes);
  return measure(
    { what: 'sequential read, 128 KiB, depth 16', count, depth: sequentialDepth, signal },
    (i) => {
      const offset = i * sequentialRequestBytes;
      return client.read(offset, copy.subarray(offset, offset + sequentialRequestBytes));
    },
    {
      bytes: sequentialBytes,
      verify: () => {
        if (sha256(copy) !== sha256(model)) throw new Error('the SHA-256 of what was read differs');
      },
    },
  );
}

/**
 * Half reads, half writes; no two on one block at a time, so that the model says what must come.
 *
 * @param {Context} context
 */
function mixRandomly({ client, model, signal, random }) {
  /** @type {Set<number>} */
  const busy = new Set();
  return measure(
    { what: 'random mix, 4 KiB, depth 32', count: randomOperations, depth: randomDepth, signal },
    async () => {
      let block = random() % (sequentialBytes / blockBytes);
      while (busy.has(block)) block = random() % (sequentialBytes / blockBytes);
      busy.add(block);
      const expected = model.subarray(block * blockBytes, (block + 1) * blockBytes);
      if (random() % 2 === 0) {
        randomBytes(blockBytes, random()).copy(expected);
        await client.write(block * blockBytes, expected);
      } else {
        const got = Buffer.alloc(blockBytes);
        await client.read(block * blockBytes, got);
        compare(got, expected, block * blockBytes);
      }
      busy.delete(block);
    },
    { operationBytes: blockBytes },
  );
}

/** @param {Context} context */
function readSingly({ client, model, signal, random }) {
  return measure(
    { what: 'random read, 4 KiB, depth 1', count: singleOperations, depth: 1, signal },
    async () => {
      const offset = (random() % (sequentialBytes / blockBytes)) * blockBytes;
      const got = Buffer.alloc(blockBytes);
      await client.read(offset, got);
      compare(got, model.subarray(offset, offset + blockBytes), offset);
    },
    { operationBytes: blockBytes },
  );
}

/**
 * Any offset, 1 to 4097 bytes; after each write it and its neighbours are read back.
 *
 * @param {Context} context
 */
function writeUnaligned({ client, model, signal, random }) {
  const margin = 16;
  return measure(
    { what: 'unaligned write + read, 1-4097 B', count: unalignedOperations, depth: 1, signal },
    async () => {
      const length = 1 + (random() % unalignedMaxBytes);
      const offset = margin + (random() % (sequentialBytes - length - 2 * margin));
      const data = randomBytes(length, random());
      data.copy(model, offset);
      await client.write(offset, data);
      const got = Buffer.alloc(length + 2 * margin);
      await client.read(offset - margin, got);
      compare(got, model.subarray(offset - margin, offset + length + margin), offset - margin);
    },
    {},
  );
}

/**
 * Runs `count` operations, `depth` at a time, and measures them.
 *
 * @param {{ what: string, count: number, depth: number, signal: AbortSignal }} plan
 * @param {(index: number) => Promise<void>} operation
 * @param {{ bytes?: number, operationBytes?: number, finish?: () => Promise<void>,
 *   verify?: () => void }} rest `bytes`: show a throughput; otherwise operations a second
 * @returns {Promise<Measurement>}
 */
async function measure({ what, count, depth, signal }, operation, rest) {
  const bar = createBar(what);
  /** @type {number[]} */
  const latenciesMs = [];
  let next = 0;
  const worker = async () => {
    while (next < count) {
      signal.throwIfAborted();
      const startedMs = performance.now();
      await operation(next++);
      latenciesMs.push(performance.now() - startedMs);
      bar.update(latenciesMs.length / count);
    }
  };
  const startedMs = performance.now();
  try {
    await Promise.all(Array.from({ length: depth }, worker));
    await rest.finish?.();
    const seconds = (performance.now() - startedMs) / 1000;
    rest.verify?.();
    const { bytes, operationBytes } = rest;
    const rate =
      bytes === undefined ? formatOperations(count, seconds) : formatThroughput(bytes, seconds);
    bar.end(rate);
    latenciesMs.sort((a, b) => a - b);
    const size =
      bytes !== undefined
        ? `${bytes / mebibyte} MiB`
        : operationBytes !== undefined
          ? `${count} × ${operationBytes / 1024} KiB`
          : `${count} writes`;
    return { what, size, seconds, rate, latenciesMs, isVerified: true };
  } catch (error) {
    bar.abandon();
    throw error;
  }
}

/**
 * @param {Buffer} got
 * @param {Buffer} expected
 * @param {number} offset
 */
function compare(got, expected, offset) {
  if (got.equals(expected)) return;
  const first = got.findIndex((byte, i) => byte !== expected[i]);
  throw new Error(`byte ${offset + first} came back as ${got[first]}, not ${expected[first]}`);
}

/** @param {Buffer} bytes */
function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * @param {number} length
 * @param {number} seed
 * @returns {Buffer} bytes that only this length and seed give
 */
function randomBytes(length, seed) {
  const words = new Uint32Array(Math.ceil(length / 4));
  const random = xorshift(seed);
  for (let i = 0; i < words.length; i++) words[i] = random();
  return Buffer.from(words.buffer, 0, length);
}

/**
 * @param {number} seed
 * @returns {() => number} unsigned 32-bit numbers
 */
function xorshift(seed) {
  let state = Math.imul(seed, 0x9e3779b1) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
