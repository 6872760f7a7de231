import type { ByteRegion, MemoryBackend } from '@oxmem/tloe-protocol';
import type { Prng } from '@oxmem/tloe-protocol/testing';

/** Says by chance that what it holds is damaged, as memory with error detection would. */
export class SpoiltMemory implements MemoryBackend {
  /** Per read, 0 .. 1. */
  chance: number;
  readonly #inner: MemoryBackend;
  readonly #prng: Prng;

  constructor(inner: MemoryBackend, chance: number, prng: Prng) {
    this.#inner = inner;
    this.chance = chance;
    this.#prng = prng;
  }

  get sizeBytes(): number {
    return this.#inner.sizeBytes;
  }

  read(offset: number, length: number, target: ByteRegion, targetOffset: number): void {
    this.#inner.read(offset, length, target, targetOffset);
  }

  write(offset: number, length: number, source: ByteRegion, sourceOffset: number): void {
    this.#inner.write(offset, length, source, sourceOffset);
  }

  isDamaged(): boolean {
    return this.#prng.chance(this.chance);
  }
}
