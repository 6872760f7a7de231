import { SparseMemory, type UntouchedContent } from './sparse-memory.ts';

/** What a tainted memory holds where nobody has written. */
export const TAINT_BYTE = 0xdb;

/**
 * A memory full of poison: whoever reads before writing, or believes that a new memory is zero,
 * finds `TAINT_BYTE`. For tests.
 */
export function createTaintedMemory(sizeBytes: number): SparseMemory {
  return new SparseMemory(sizeBytes, { untouched: POISON });
}

const POISON: UntouchedContent = {
  fill: (_offset, length, target, targetOffset) => {
    target.bytes.fill(TAINT_BYTE, targetOffset, targetOffset + length);
  },
};
