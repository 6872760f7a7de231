import { assert } from '../assert.ts';
import type { RequestBuffer } from '../block-backend.ts';

/** Granularity in which the memory of a slab is given out. */
export const PAGE_BYTES = 4096;

/** Returned by `allocate` when no run of free pages is long enough. */
export const NO_ROOM = -1;

/**
 * Fixed memory for the data of one connection's requests, given out in runs of 4 KiB pages. The first
 * run that is long enough is taken, so that the same few pages are used again and again: they stay
 * in the processor's cache, and memory that no client ever needed is never touched.
 */
export class RequestSlab implements RequestBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly words: Int32Array;
  readonly pageCount: number;
  private freePages: number;
  /** For the first page of a run its length in pages, for all others 0. */
  private readonly runPages: Int16Array;
  /** A free page or the first of a run; no page before it is free. */
  private firstFree = 0;

  /** @param slabBytes  a multiple of 4096 */
  constructor(slabBytes: number) {
    assert(slabBytes % PAGE_BYTES === 0, 'a slab consists of whole pages');
    this.bytes = new Uint8Array(slabBytes);
    this.view = new DataView(this.bytes.buffer);
    this.words = new Int32Array(this.bytes.buffer);
    this.pageCount = slabBytes / PAGE_BYTES;
    this.freePages = this.pageCount;
    this.runPages = new Int16Array(this.pageCount);
    assert(this.pageCount <= 0x7fff, 'a slab has at most 128 MiB');
  }

  get usedBytes(): number {
    return (this.pageCount - this.freePages) * PAGE_BYTES;
  }

  /** Offset of a run of at least `lengthBytes` (>= 1) bytes, or NO_ROOM. */
  allocate(lengthBytes: number): number {
    const pages = Math.ceil(lengthBytes / PAGE_BYTES);
    assert(pages >= 1 && pages <= this.pageCount, 'a run fits into the slab');
    if (pages > this.freePages) return NO_ROOM;
    const start = this.findRun(pages);
    if (start < 0) return NO_ROOM;
    this.runPages[start] = pages;
    this.freePages -= pages;
    if (start === this.firstFree) this.firstFree += pages;
    return start * PAGE_BYTES;
  }

  /** Gives back the run that begins at `offset`. */
  free(offset: number): void {
    const start = offset / PAGE_BYTES;
    const pages = this.runPages[start] ?? 0;
    assert(pages > 0, 'only a run that is in use is given back');
    this.runPages[start] = 0;
    this.freePages += pages;
    if (start < this.firstFree) this.firstFree = start;
  }

  /** First page of `pages` free ones, or -1. Goes from run to run. */
  private findRun(pages: number): number {
    let start = this.firstFree;
    let at = start;
    while (at < this.pageCount) {
      const used = this.runPages[at] as number;
      if (used === 0) {
        at++;
        if (at - start === pages) return start;
      } else {
        at += used;
        start = at;
      }
    }
    return -1;
  }
}
