import type { TransferReport } from '../src/observe/driver-report.ts';
import type { DriverTold } from '../src/observe/running-drivers.ts';

/** Requests of one kind: `count` of 4096 bytes that took `micros` each. */
export function toldTransfer(count = 0, micros = 100): TransferReport {
  return {
    count,
    bytes: 4096 * count,
    latency_us: { p50: micros, p99: micros, p99_9: micros, mean: micros },
    latency_buckets_us: count === 0 ? [] : [[micros, count]],
    latency_sum_us: count * micros,
  };
}

/** What a driver with one device tells of itself. */
export function toldDriver(given: Partial<DriverTold> = {}): DriverTold {
  const work = {
    read: given.read ?? toldTransfer(),
    write: given.write ?? toldTransfer(),
    write_zeroes: { count: 0, bytes: 0 },
    flush: { count: 0 },
    trim: { count: 0 },
    failed: given.failed ?? {},
    in_flight: given.in_flight ?? 0,
  };
  return {
    timestamp: 1_000_000,
    program: 'oxmem-bdev',
    version: '0.0.0',
    pid: 700,
    uptime_seconds: 10,
    netdev: 'eth0',
    endpoint: '04:00:00:00:00:01',
    endpoint_state: 'serving',
    profile: 'oxmem',
    place: 'unix:/run/x.sock',
    devices: [{ name: 'oxmem', size_bytes: 2 ** 26, base: '0x0', ...work }],
    ...work,
    link: {
      state: 'open',
      connections: 1,
      next_number: 5,
      acknowledged_number: 4,
      expected_number: 9,
      window_frames: 256,
      outstanding_frames: 3,
      round_trip_us: 120,
      retransmit_timeout_us: 30_000,
      credit_flits: { a: 4096 },
      counters: { frames_resent: 0 },
      rejected_frames: {},
    },
    accesses: { in_flight: 2, window: 256, counters: {} },
    socket: { counters: {} },
    ...given,
  };
}
