import type { MemoryRequest, MemoryStatus } from '@oxmem/tloe-protocol';

/** What the device needs of remote memory. */
export interface MemoryAccess {
  /** Takes a request. Its owner is told when it is done, maybe before the call returns. */
  submit(request: MemoryRequest): void;
  /** Sends what was submitted. */
  kick(): void;
  /** Whether the endpoint is there as far as anybody knows. */
  readonly isHealthy: boolean;
  /** Whether all that is submitted now fails, and nothing of it is sent. Left out: no. */
  readonly isRefusing?: boolean;
  /**
   * Asked about every request that failed, before its failure is told. Whether the request is not
   * over yet: it ended with its connection, is kept, and will be sent again on the next one. Left
   * out where there is no next one.
   */
  keeps?(request: MemoryRequest, status: MemoryStatus): boolean;
}
