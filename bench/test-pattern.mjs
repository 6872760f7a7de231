/** Bytes per block of the pattern; each block has content of its own. */
export const PATTERN_BLOCK_BYTES = 4096;

const NOISE_BYTES = 256 * 1024;

/**
 * What every byte of the memory must be: a function of its place and of how often the place was
 * written (its generation). A block is a window of one fixed stretch of noise, at a place that block
 * number and generation decide, so that making and checking it costs a memory copy and a memory
 * comparison. Data of another block or an older generation is told apart but for one case in 32768.
 */
export class TestPattern {
  /** Writes begun of each block. */
  #generations;
  #noise = makeNoise(NOISE_BYTES + PATTERN_BLOCK_BYTES);

  /** @param {number} sizeBytes of the memory, a multiple of the block size */
  constructor(sizeBytes) {
    this.#generations = new Uint32Array(sizeBytes / PATTERN_BLOCK_BYTES);
  }

  /**
   * Begins the next generation of a range and gives its bytes.
   *
   * @param {number} offset in the memory, a multiple of the block size
   * @param {Buffer} target
   * @param {number} targetOffset
   * @param {number} length a multiple of the block size
   */
  writeNext(offset, target, targetOffset, length) {
    const first = offset / PATTERN_BLOCK_BYTES;
    const count = length / PATTERN_BLOCK_BYTES;
    for (let i = 0; i < count; i++) {
      const block = first + i;
      this.#generations[block] = /** @type {number} */ (this.#generations[block]) + 1;
      const start = this.#windowOf(block);
      const at = targetOffset + i * PATTERN_BLOCK_BYTES;
      this.#noise.copy(target, at, start, start + PATTERN_BLOCK_BYTES);
    }
  }

  /**
   * Compares bytes with what the memory must hold.
   *
   * @param {number} offset in the memory, any
   * @param {Buffer} bytes
   * @param {number} from
   * @param {number} to
   * @returns {number} place in the memory of the first block that differs; -1: all is right
   */
  mismatch(offset, bytes, from, to) {
    let at = from;
    while (at < to) {
      const place = offset + at - from;
      const block = Math.floor(place / PATTERN_BLOCK_BYTES);
      const inBlock = place % PATTERN_BLOCK_BYTES;
      const count = Math.min(PATTERN_BLOCK_BYTES - inBlock, to - at);
      const start = this.#windowOf(block) + inBlock;
      if (this.#noise.compare(bytes, at, at + count, start, start + count) !== 0) return place;
      at += count;
    }
    return -1;
  }

  /** @param {number} block */
  #windowOf(block) {
    const generation = /** @type {number} */ (this.#generations[block]);
    let hash = Math.imul(block + 1, 0x9e3779b1) ^ Math.imul(generation + 1, 0x85ebca77);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    return ((hash >>> 15) * 8) % NOISE_BYTES;
  }
}

/** @param {number} lengthBytes */
function makeNoise(lengthBytes) {
  const words = new Int32Array(lengthBytes / 4);
  const random = new SmallRandom(1);
  for (let i = 0; i < words.length; i++) words[i] = random.next();
  return Buffer.from(words.buffer);
}

/** Xorshift: the same seed gives the same numbers, and a number costs a nanosecond. */
export class SmallRandom {
  #state;

  /** @param {number} seed not 0 */
  constructor(seed) {
    this.#state = seed;
  }

  /** @returns {number} 1 .. 2^32 - 1 */
  next() {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }
}
