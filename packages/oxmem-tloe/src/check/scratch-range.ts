import type { RemoteAddress } from '@oxmem/tloe-protocol';

/** Where a check may write. */
export interface ScratchRange {
  /** A multiple of SCRATCH_MINIMUM_BYTES. */
  readonly base: RemoteAddress;
  /** A multiple of SCRATCH_MINIMUM_BYTES. */
  readonly sizeBytes: number;
}

/** What one dialogue needs, aligned to its size. */
export const SCRATCH_MINIMUM_BYTES = 4096;
