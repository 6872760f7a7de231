import { latencyReport, type LatencyReport } from '../../observe/driver-report.ts';
import { latencySince } from '../../observe/period-report.ts';
import type { DriverTold, TransferTold, WorkTold } from '../../observe/driver-told.ts';

/** What happened to one kind of request within a period. */
export interface TransferRates {
  readonly bytesPerSecond: number;
  readonly requestsPerSecond: number;
  /** Of the requests that were done in the period; undefined: there were none. */
  readonly latencyMicros: LatencyReport | undefined;
}

/** What a device did within a period, or a driver with all of its devices. */
export interface DeviceRates {
  readonly name: string;
  readonly read: TransferRates;
  readonly write: TransferRates;
  readonly inFlight: number;
  readonly failedPerSecond: number;
}

/** What a driver did within a period, and where it stands. */
export interface DriverRates {
  /** Tells drivers apart. */
  readonly key: string;
  readonly told: DriverTold;
  readonly total: DeviceRates;
  readonly devices: readonly DeviceRates[];
  readonly resentPerSecond: number;
}

/**
 * What happened between two reports of the same driver.
 *
 * @param before  undefined: since the driver began
 */
export function driverRates(now: DriverTold, before: DriverTold | undefined): DriverRates {
  const isSame = before?.pid === now.pid && before.uptime_seconds <= now.uptime_seconds;
  const base = isSame ? before : undefined;
  const seconds = Math.max(1e-3, now.uptime_seconds - (base?.uptime_seconds ?? 0));
  const resent = (told: DriverTold): number => told.link.counters['frames_resent'] ?? 0;
  return {
    key: `${now.pid} ${now.endpoint}`,
    told: now,
    total: deviceRates('all', now, base, seconds),
    devices: now.devices.map((device, i) =>
      deviceRates(device.name, device, base?.devices[i], seconds),
    ),
    resentPerSecond: (resent(now) - (base === undefined ? 0 : resent(base))) / seconds,
  };
}

function deviceRates(
  name: string,
  now: WorkTold,
  before: WorkTold | undefined,
  seconds: number,
): DeviceRates {
  return {
    name,
    read: transferRates(now.read, before?.read, seconds),
    write: transferRates(now.write, before?.write, seconds),
    inFlight: now.in_flight,
    failedPerSecond: (failures(now) - (before === undefined ? 0 : failures(before))) / seconds,
  };
}

function transferRates(
  now: TransferTold,
  before: TransferTold | undefined,
  seconds: number,
): TransferRates {
  const latency = latencySince(now, before);
  return {
    bytesPerSecond: (now.bytes - (before?.bytes ?? 0)) / seconds,
    requestsPerSecond: (now.count - (before?.count ?? 0)) / seconds,
    latencyMicros: latency.count === 0 ? undefined : latencyReport(latency),
  };
}

function failures({ failed }: WorkTold): number {
  return Object.values(failed).reduce((sum, count) => sum + count, 0);
}
