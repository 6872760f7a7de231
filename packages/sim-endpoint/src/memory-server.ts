import type { EndpointStats } from './endpoint-stats.ts';

/** Whatever serves memory on a transport: this project's endpoint, or one that plays another. */
export interface MemoryServer {
  /** Its own address, 6 bytes. */
  readonly mac: Uint8Array;
  /** The largest access served, log2 bytes. */
  readonly maxAccessLog2: number;
  /** Starts to serve. */
  start(): void;
  /** All counters so far; after `close` as well. */
  stats(): EndpointStats;
  /** Stops like a power cut and closes the transport. Idempotent. */
  close(): void;
}
