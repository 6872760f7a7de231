import type { MemoryRequest, MemoryStatus } from '@oxmem/tloe-protocol';

import type { MemoryAccess } from './memory-access.ts';

/** A part of remote memory that counts its bytes from 0. */
export class MemorySlice implements MemoryAccess {
  readonly #whole: MemoryAccess;
  readonly #firstByte: number;

  /** @param firstByte  of the part, in bytes of the whole */
  constructor(whole: MemoryAccess, firstByte: number) {
    this.#whole = whole;
    this.#firstByte = firstByte;
  }

  submit(request: MemoryRequest): void {
    request.offset += this.#firstByte;
    this.#whole.submit(request);
  }

  kick(): void {
    this.#whole.kick();
  }

  get isRefusing(): boolean {
    return this.#whole.isRefusing ?? false;
  }

  keeps(request: MemoryRequest, status: MemoryStatus): boolean {
    return this.#whole.keeps?.(request, status) ?? false;
  }

  get isHealthy(): boolean {
    return this.#whole.isHealthy;
  }
}
