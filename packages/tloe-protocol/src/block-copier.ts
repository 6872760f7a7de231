import type { ByteRegion } from './byte-region.ts';
import { copyBytes } from './copy-bytes.ts';

/** Below this the word loop of `copyBytes` is as fast as the engine's own block copy. */
const BLOCK_BYTES = 256;

/** Views kept for a region; each stands for one place, found by its kibibyte. */
const WINDOWS = 8192;

/** One kept view: `length` bytes from `offset` on. */
interface Window {
  readonly offset: number;
  readonly length: number;
  readonly bytes: Uint8Array;
}

/**
 * Copies blocks with the engine's own `set`, which is several times faster than a loop but wants a
 * view of the source. Views are made once for each place of a slab and kept, so that copying out of
 * receive slabs and request buffers allocates nothing in steady state.
 *
 * For sources that are slabs: a bounded number of views is kept for each region, for as long as the
 * region lives.
 */
export class BlockCopier {
  readonly #windows = new WeakMap<ByteRegion, (Window | undefined)[]>();
  #recentRegion: ByteRegion | undefined = undefined;
  #recent: (Window | undefined)[] = [];

  /** As `copyBytes`. */
  // oxlint-disable-next-line max-params -- the two ends of a copy, without an object per call
  copy(
    target: ByteRegion,
    targetOffset: number,
    source: ByteRegion,
    sourceOffset: number,
    length: number,
  ): void {
    if (length < BLOCK_BYTES) copyBytes(target, targetOffset, source, sourceOffset, length);
    else target.bytes.set(this.#window(source, sourceOffset, length), targetOffset);
  }

  #window(source: ByteRegion, offset: number, length: number): Uint8Array {
    if (source !== this.#recentRegion) this.#select(source);
    const index = (offset >> 10) & (WINDOWS - 1);
    const kept = this.#recent[index];
    if (kept !== undefined && kept.offset === offset && kept.length === length) return kept.bytes;
    const bytes = source.bytes.subarray(offset, offset + length);
    this.#recent[index] = { offset, length, bytes };
    return bytes;
  }

  #select(region: ByteRegion): void {
    let windows = this.#windows.get(region);
    if (windows === undefined) {
      windows = new Array<Window | undefined>(
        Math.min(WINDOWS, (region.bytes.length >> 10) + 1),
      ).fill(undefined);
      this.#windows.set(region, windows);
    }
    this.#recentRegion = region;
    this.#recent = windows;
  }
}
