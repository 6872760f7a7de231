/**
 * Views of blocks of memory, kept for the next reader of the same block: copying a block through a
 * view is several times faster than a loop, and making one costs as much as the copy and leaves
 * garbage. Their number is bounded; a block that maps to the place of another takes it over.
 */
export class BlockViews {
  readonly #views: (Uint8Array | undefined)[];
  /** Where the block of each view begins in the memory. */
  readonly #offsets: Float64Array;

  /** @param sizeBytes  of the memory; a small one has fewer blocks */
  constructor(sizeBytes: number) {
    const places = Math.min(MOST_PLACES, Math.ceil(sizeBytes / SMALL_BLOCK_BYTES));
    this.#views = new Array<Uint8Array | undefined>(places).fill(undefined);
    this.#offsets = new Float64Array(places);
  }

  /**
   * A view of `length` bytes of `page` from `within` on. `offset`: where that is in the memory,
   * which must always be the same place of the same page.
   */
  // oxlint-disable-next-line max-params -- an object for them would be an allocation
  view(offset: number, length: number, page: Uint8Array, within: number): Uint8Array {
    const place = Math.floor(offset / length) % this.#views.length;
    const kept = this.#views[place];
    if (kept?.length === length && this.#offsets[place] === offset) return kept;
    const made = page.subarray(within, within + length);
    this.#views[place] = made;
    this.#offsets[place] = offset;
    return made;
  }
}

/** Enough for all 1 KiB blocks of 64 MiB; about as many times 100 bytes when all are in use. */
const MOST_PLACES = 65_536;

const SMALL_BLOCK_BYTES = 512;
