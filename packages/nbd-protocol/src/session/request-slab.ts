import { assert } from '../assert.ts';
import type { RequestBuffer } from '../block-backend.ts';

/** Granularity in which the memory of a slab is given out. */
export const PAGE_BYTES = 4096;

/** Returned by `allocate` when no run of free pages is long enough. */
export const NO_ROOM = -1;

/**
 * Fixed memory for the data of one connection's requests, given out in runs of 4 KiB pages. The
 * search for a free run goes on where the last one ended (next fit), so that short-lived runs do not
 * pile up at the front.
 */
export class RequestSlab implements RequestBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly words: Int32Array;
  readonly pageCount: number;
  private freePages: number;
  /** For the first page of a run its length in pages, for a free page 0, for others -1. */
  private readonly runPages: Int16Array;
  private nextPage = 0;

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
    let start = this.findRun(this.nextPage, this.pageCount, pages);
    // The second search may overlap the place where the first began: a run may lie across it.
    if (start < 0) start = this.findRun(0, Math.min(this.nextPage + pages, this.pageCount), pages);
    if (start < 0) return NO_ROOM;
    this.runPages.fill(-1, start, start + pages);
    this.runPages[start] = pages;
    this.freePages -= pages;
    this.nextPage = start + pages === this.pageCount ? 0 : start + pages;
    return start * PAGE_BYTES;
  }

  /** Gives back the run that begins at `offset`. */
  free(offset: number): void {
    const start = offset / PAGE_BYTES;
    const pages = this.runPages[start] ?? 0;
    assert(pages > 0, 'only a run that is in use is given back');
    this.runPages.fill(0, start, start + pages);
    this.freePages += pages;
  }

  /** First page of `pages` free ones within `from .. end - 1`, or -1. `from` starts no half run. */
  private findRun(from: number, end: number, pages: number): number {
    let start = from;
    let at = from;
    while (at < end) {
      const used = this.runPages[at] as number;
      if (used === 0) {
        at++;
        if (at - start === pages) return start;
      } else {
        at += used > 0 ? used : 1;
        start = at;
      }
    }
    return -1;
  }
}
