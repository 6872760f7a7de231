import { MEMORY_STATUS_NAMES } from '@oxmem/tloe-protocol';

/** Plain counters of a device, written by the data path and read by whoever reports. */
export class DeviceStats {
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

  /** Adds the counters of another device to these. */
  add(other: DeviceStats): void {
    this.reads += other.reads;
    this.writes += other.writes;
    this.flushes += other.flushes;
    this.trims += other.trims;
    this.zeroings += other.zeroings;
    this.bytesRead += other.bytesRead;
    this.bytesWritten += other.bytesWritten;
    this.bytesZeroed += other.bytesZeroed;
    other.failed.forEach((count, status) => {
      (this.failed[status] as number) += count;
    });
  }
}
