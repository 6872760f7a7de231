import type { DriverTold, TransferTold } from '../src/observe/driver-told.ts';

/** Requests of one kind: `count` of 4096 bytes that took `micros` each. */
export function toldTransfer(count = 0, micros = 100): TransferTold {
  return {
    count,
    bytes: 4096 * count,
    latency_buckets_us: count === 0 ? [] : [[micros, count]],
    latency_sum_us: count * micros,
  };
}

/** What a driver with one device tells of itself. */
export function toldDriver(given: Partial<DriverTold> = {}): DriverTold {
  const work = {
    read: given.read ?? toldTransfer(),
    write: given.write ?? toldTransfer(),
    failed: given.failed ?? {},
    in_flight: given.in_flight ?? 0,
  };
  return {
    program: 'oxmem-bdev',
    pid: 700,
    uptime_seconds: 10,
    netdev: 'eth0',
    endpoint: '04:00:00:00:00:01',
    endpoint_state: 'serving',
    place: 'unix:/run/x.sock',
    devices: [{ name: 'oxmem', size_bytes: 2 ** 26, base: '0x0', ...work }],
    ...work,
    link: {
      window_frames: 256,
      outstanding_frames: 3,
      round_trip_us: 120,
      credit_flits: { a: 4096 },
      counters: { frames_resent: 0 },
    },
    accesses: { in_flight: 2, window: 256 },
    ...given,
  };
}
