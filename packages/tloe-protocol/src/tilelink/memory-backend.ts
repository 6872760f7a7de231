import type { ByteRegion } from '../byte-region.ts';

/**
 * The memory behind a responder. Synchronous: an endpoint answers only when the effect of an access
 * can be seen by everybody. TileLink 1.8.0 §4.
 *
 * The responder has checked the range before it calls: `offset` counts from the first address
 * served, 0 <= offset, offset + length <= sizeBytes. No alignment is promised.
 */
export interface MemoryBackend {
  readonly sizeBytes: number;
  /** Copies memory bytes `offset` .. `offset + length - 1` to `target` at `targetOffset`. */
  read(offset: number, length: number, target: ByteRegion, targetOffset: number): void;
  /** Copies `length` bytes of `source` from `sourceOffset` on into memory at `offset`. */
  write(offset: number, length: number, source: ByteRegion, sourceOffset: number): void;
  /** Whether what the memory holds there is known to be damaged: answers with it say so. */
  isDamaged?(offset: number, length: number): boolean;
}
