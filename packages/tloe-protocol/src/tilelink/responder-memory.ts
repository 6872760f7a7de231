import { ByteRegion } from '../byte-region.ts';
import { copyReversed } from '../copy-bytes.ts';
import type { MessageView } from '../wire/frame-view.ts';
import { wireByteOfLane } from './data-order.ts';
import type { MemoryBackend } from './memory-backend.ts';
import { WORD_BYTES } from './split.ts';

/** A mask word and the eight data words that it governs. OmniXtend 1.0.3 figures 15 and 16. */
const MASK_GROUP_BYTES = 9 * WORD_BYTES;

/** Room for the largest access, 2^15 bytes. */
const STAGING_BYTES = 2 ** 15;

/**
 * Moves data between frames and the memory behind a responder: byte order, lanes of accesses below
 * a word, and byte masks. The memory itself knows only bytes.
 */
export class ResponderMemory {
  readonly #backend: MemoryBackend;
  readonly #isReversed: boolean;
  readonly #staging: ByteRegion;
  readonly #word: ByteRegion = ByteRegion.allocate(WORD_BYTES);

  constructor(backend: MemoryBackend, isReversed: boolean) {
    this.#backend = backend;
    this.#isReversed = isReversed;
    this.#staging = ByteRegion.allocate(isReversed ? STAGING_BYTES : WORD_BYTES);
  }

  /** Memory to the data words of a message at `body`; a short access fills only its lanes. */
  // oxlint-disable-next-line max-params -- the two ends of a copy, on the hottest path
  read(offset: number, length: number, region: ByteRegion, body: number, lane: number): void {
    if (length < WORD_BYTES) {
      this.#backend.read(offset, length, this.#word, 0);
      region.bytes.fill(0, body, body + WORD_BYTES);
      for (let i = 0; i < length; i++) {
        const at = body + wireByteOfLane(lane + i, this.#isReversed);
        region.bytes[at] = this.#word.bytes[i] as number;
      }
    } else if (this.#isReversed) {
      this.#backend.read(offset, length, this.#staging, 0);
      copyReversed(region, body, this.#staging, 0, length);
    } else {
      this.#backend.read(offset, length, region, body);
    }
  }

  /** Whether the memory says that these bytes are damaged. */
  isDamaged(offset: number, length: number): boolean {
    return this.#backend.isDamaged?.(offset, length) === true;
  }

  /** The data of a PutFullData to memory. */
  write(offset: number, length: number, message: MessageView): void {
    const { region, bodyOffset } = message;
    if (length < WORD_BYTES) {
      const lane = message.addressLow & 7;
      for (let i = 0; i < length; i++) {
        const at = bodyOffset + wireByteOfLane(lane + i, this.#isReversed);
        this.#word.bytes[i] = region.bytes[at] as number;
      }
      this.#backend.write(offset, length, this.#word, 0);
    } else if (this.#isReversed) {
      copyReversed(this.#staging, 0, region, bodyOffset, length);
      this.#backend.write(offset, length, this.#staging, 0);
    } else {
      this.#backend.write(offset, length, region, bodyOffset);
    }
  }

  /** Those bytes of a PutPartialData whose mask bits are set. OmniXtend 1.0.3 figure 16. */
  writeMasked(offset: number, length: number, message: MessageView): void {
    const lane = length < WORD_BYTES ? message.addressLow & 7 : 0;
    const words = Math.max(1, length / WORD_BYTES);
    for (let word = 0; word < words; word++) {
      const group = message.bodyOffset + (word >> 3) * MASK_GROUP_BYTES;
      const mask = message.region.bytes[group + 7 - (word & 7)] as number;
      const data = group + WORD_BYTES + (word & 7) * WORD_BYTES;
      const first = lane;
      const end = Math.min(lane + length, WORD_BYTES);
      for (let byte = first; byte < end; byte++) {
        const wireByte = wireByteOfLane(byte, this.#isReversed);
        if ((mask & (1 << (7 - wireByte))) === 0) continue;
        const at = offset + word * WORD_BYTES + byte - lane;
        this.#backend.write(at, 1, message.region, data + wireByte);
      }
    }
  }

  /** A little-endian number of 1, 2, 4 or 8 bytes. */
  loadNumber(offset: number, length: number): bigint {
    this.#word.bytes.fill(0);
    this.#backend.read(offset, length, this.#word, 0);
    return this.#word.view.getBigUint64(0, true);
  }

  storeNumber(offset: number, length: number, value: bigint): void {
    this.#word.view.setBigUint64(0, value, true);
    this.#backend.write(offset, length, this.#word, 0);
  }

  /** The operand of an atomic message, from its lanes. */
  operand(message: MessageView, length: number): bigint {
    const lane = message.addressLow & 7 & ~(length - 1);
    this.#word.bytes.fill(0);
    for (let i = 0; i < length; i++) {
      const at = message.bodyOffset + wireByteOfLane(lane + i, this.#isReversed);
      this.#word.bytes[i] = message.region.bytes[at] as number;
    }
    return this.#word.view.getBigUint64(0, true);
  }

  /** Puts a number into the lanes of the single data word at `body`. */
  // oxlint-disable-next-line max-params -- where, what and how long
  putNumber(region: ByteRegion, body: number, lane: number, length: number, value: bigint): void {
    this.#word.view.setBigUint64(0, value, true);
    region.bytes.fill(0, body, body + WORD_BYTES);
    for (let i = 0; i < length; i++) {
      const at = body + wireByteOfLane(lane + i, this.#isReversed);
      region.bytes[at] = this.#word.bytes[i] as number;
    }
  }
}
