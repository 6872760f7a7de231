import type { MemoryRequest } from '@oxmem/tloe-protocol';

/** What the device needs of remote memory; `RemoteMemory` with a word about its health. */
export interface MemoryAccess {
  /** Takes a request. Its owner is told when it is done, maybe before the call returns. */
  submit(request: MemoryRequest): void;
  /** Sends what was submitted. */
  kick(): void;
  /** Whether the endpoint is there as far as anybody knows. */
  readonly isHealthy: boolean;
}
