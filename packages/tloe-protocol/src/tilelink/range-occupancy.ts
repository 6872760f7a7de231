/**
 * How many ranges touch each page of the memory, so that a range that overlaps no other is seen to do
 * so without looking at the others. Pages far from each other share a counter: the answer is "none"
 * or "maybe".
 */
export class RangeOccupancy {
  /** By page: ranges, and those among them that write. */
  readonly #all = new Uint32Array(COUNTERS);
  readonly #writes = new Uint32Array(COUNTERS);

  /** Notes a range from byte `start` to the one before `end`. */
  add(start: number, end: number, isWrite: boolean): void {
    this.#count(start, end, isWrite, 1);
  }

  /** Forgets a range that was noted. */
  remove(start: number, end: number, isWrite: boolean): void {
    this.#count(start, end, isWrite, -1);
  }

  /** Whether a noted range may overlap this one, and one of the two writes. */
  mayConflict(start: number, end: number, isWrite: boolean): boolean {
    const counters = isWrite ? this.#all : this.#writes;
    const first = Math.floor(start / PAGE_BYTES);
    const pages = pagesOf(first, end);
    for (let i = 0; i < pages; i++) {
      if (counters[(first + i) % COUNTERS] !== 0) return true;
    }
    return false;
  }

  // oxlint-disable-next-line max-params -- a range and a number, without an object per call
  #count(start: number, end: number, isWrite: boolean, by: number): void {
    const first = Math.floor(start / PAGE_BYTES);
    const pages = pagesOf(first, end);
    for (let i = 0; i < pages; i++) {
      const at = (first + i) % COUNTERS;
      this.#all[at] = (this.#all[at] as number) + by;
      if (isWrite) this.#writes[at] = (this.#writes[at] as number) + by;
    }
  }
}

/** Pages from `first` to the one of the last byte; no counter is touched twice. */
function pagesOf(first: number, end: number): number {
  return Math.min(Math.ceil(end / PAGE_BYTES) - first, COUNTERS);
}

const PAGE_BYTES = 4096;
const COUNTERS = 8192;
