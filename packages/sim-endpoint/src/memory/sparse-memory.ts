import {
  BlockCopier,
  ByteRegion,
  assert,
  copyBytes,
  type MemoryBackend,
} from '@oxmem/tloe-protocol';
import { BlockViews } from './block-views.ts';

/** What stands in bytes that nobody has written. */
export interface UntouchedContent {
  /**
   * Fills `length` bytes of `target` from `targetOffset` on with what the memory holds at `offset`
   * as long as nobody writes there. The same offset always has the same content.
   */
  fill(offset: number, length: number, target: ByteRegion, targetOffset: number): void;
}

/** How a sparse memory is laid out. */
export interface SparseMemoryOptions {
  /** Bytes allocated at once, a power of two. Default 64 KiB. */
  readonly pageBytes?: number;
  /** Default: zeros. */
  readonly untouched?: UntouchedContent;
}

/**
 * Memory that takes real memory only where something was written: a terabyte costs nothing until it
 * is used. Reads of untouched pages allocate nothing, nor do writes to them that change nothing (the
 * zeros with which a new file system covers its disk).
 *
 * Once a page exists, a write to it allocates nothing, and a read nothing as long as what is read
 * again and again is within the bounds of `BlockViews`. A page is never given back.
 */
export class SparseMemory implements MemoryBackend {
  readonly sizeBytes: number;
  readonly #pageBytes: number;
  readonly #untouched: UntouchedContent;
  readonly #copier = new BlockCopier();
  #views: BlockViews | undefined = undefined;
  readonly #pages = new Map<number, ByteRegion>();
  /** The page of the last access: most accesses stay on it. */
  #recentIndex = -1;
  #recent: ByteRegion | undefined = undefined;

  /** @param sizeBytes  0 .. 2^53 - 1 */
  constructor(sizeBytes: number, options: SparseMemoryOptions = {}) {
    assert(Number.isSafeInteger(sizeBytes) && sizeBytes >= 0, 'a size is a safe integer');
    const pageBytes = options.pageBytes ?? DEFAULT_PAGE_BYTES;
    assert(pageBytes >= 8 && Math.log2(pageBytes) % 1 === 0, 'a page is a power of two of bytes');
    this.sizeBytes = sizeBytes;
    this.#pageBytes = pageBytes;
    this.#untouched = options.untouched ?? ZEROS;
  }

  /** Real memory in use. */
  get allocatedBytes(): number {
    return this.#pages.size * this.#pageBytes;
  }

  read(offset: number, length: number, target: ByteRegion, targetOffset: number): void {
    for (let done = 0; done < length;) {
      const index = Math.floor((offset + done) / this.#pageBytes);
      const within = offset + done - index * this.#pageBytes;
      const part = Math.min(length - done, this.#pageBytes - within);
      const page = this.#page(index);
      const to = targetOffset + done;
      if (page === undefined) this.#untouched.fill(offset + done, part, target, to);
      else if (part < BLOCK_BYTES) copyBytes(target, to, page, within, part);
      else {
        this.#views ??= new BlockViews(this.sizeBytes);
        target.bytes.set(this.#views.view(offset + done, part, page.bytes, within), to);
      }
      done += part;
    }
  }

  write(offset: number, length: number, source: ByteRegion, sourceOffset: number): void {
    for (let done = 0; done < length;) {
      const index = Math.floor((offset + done) / this.#pageBytes);
      const within = offset + done - index * this.#pageBytes;
      const part = Math.min(length - done, this.#pageBytes - within);
      const from = sourceOffset + done;
      let page = this.#page(index);
      if (page === undefined) {
        const changes = this.#untouched !== ZEROS || !isZero(source.bytes, from, part);
        if (changes) page = this.#addPage(index);
      }
      if (page !== undefined) this.#copier.copy(page, within, source, from, part);
      done += part;
    }
  }

  #page(index: number): ByteRegion | undefined {
    if (index === this.#recentIndex) return this.#recent;
    const page = this.#pages.get(index);
    if (page === undefined) return undefined;
    this.#recentIndex = index;
    this.#recent = page;
    return page;
  }

  #addPage(index: number): ByteRegion {
    const page = ByteRegion.allocate(this.#pageBytes);
    if (this.#untouched !== ZEROS) {
      this.#untouched.fill(index * this.#pageBytes, this.#pageBytes, page, 0);
    }
    this.#pages.set(index, page);
    this.#recentIndex = index;
    this.#recent = page;
    return page;
  }
}

/** Below this a loop is as fast as the engine's own copy. */
const BLOCK_BYTES = 512;

function isZero(bytes: Uint8Array, offset: number, length: number): boolean {
  for (let i = offset; i < offset + length; i++) if (bytes[i] !== 0) return false;
  return true;
}

const ZEROS: UntouchedContent = {
  fill: (_offset, length, target, targetOffset) => {
    target.bytes.fill(0, targetOffset, targetOffset + length);
  },
};

const DEFAULT_PAGE_BYTES = 64 * 1024;
