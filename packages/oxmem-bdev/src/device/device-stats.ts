import { LatencyHistogram, MEMORY_STATUS_NAMES, addCounters } from '@oxmem/tloe-protocol';

/** Plain counters of a device, written by the data path and read by whoever reports. */
export class DeviceStats {
  /** Requests that were done, and their bytes. */
  reads = 0;
  writes = 0;
  flushes = 0;
  trims = 0;
  zeroings = 0;
  bytesRead = 0;
  bytesWritten = 0;
  bytesZeroed = 0;
  /** Requests that failed, indexed by `MemoryStatus`. */
  readonly failed: Float64Array = new Float64Array(MEMORY_STATUS_NAMES.length);
  /** From the submission to the end of the reads and writes that were done. */
  readonly readLatency: LatencyHistogram = new LatencyHistogram();
  readonly writeLatency: LatencyHistogram = new LatencyHistogram();

  /** Adds the counters of another device to these. */
  add(other: DeviceStats): void {
    addCounters(this, other);
    this.readLatency.add(other.readLatency);
    this.writeLatency.add(other.writeLatency);
  }

  /** The counters of all of them together. */
  static sum(parts: readonly DeviceStats[]): DeviceStats {
    const sum = new DeviceStats();
    for (const part of parts) sum.add(part);
    return sum;
  }

  get failures(): number {
    return this.failed.reduce((sum, count) => sum + count, 0);
  }
}
