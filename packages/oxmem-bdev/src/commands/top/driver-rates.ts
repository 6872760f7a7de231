import { latencyReport, type LatencyReport } from '../../observe/driver-report.ts';
import type { DriverTold, TransferTold, WorkTold } from '../../observe/driver-told.ts';
import { latencySince } from '../../observe/period-report.ts';

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
  readonly told: WorkTold;
  readonly read: TransferRates;
  readonly write: TransferRates;
  readonly inFlight: number;
  readonly failedPerSecond: number;
  /** Bytes a second of the last periods, {@link PERIODS_KEPT} at most, this one at the end. */
  readonly past: readonly number[];
}

/** What a driver did within a period, and where it stands. */
export interface DriverRates {
  readonly told: DriverTold;
  /** The period is its whole life until now, which was longer than those that are looked at. */
  readonly isOfLife: boolean;
  readonly total: DeviceRates;
  readonly devices: readonly DeviceRates[];
  readonly resentPerSecond: number;
}

interface Period {
  readonly seconds: number;
  readonly isOfLife: boolean;
}

/**
 * What happened since the same driver was asked before.
 *
 * @param before           undefined: it was not, and the period is its life
 * @param intervalSeconds  at which drivers are asked
 */
export function driverRates(
  now: DriverTold,
  before: DriverRates | undefined,
  intervalSeconds: number,
): DriverRates {
  const { uptime_seconds: uptime } = now;
  const isSame = before?.told.pid === now.pid && before.told.uptime_seconds <= uptime;
  const base = isSame ? before : undefined;
  const seconds = Math.max(1e-3, uptime - (base?.told.uptime_seconds ?? 0));
  const period = { seconds, isOfLife: base === undefined && uptime > intervalSeconds };
  const resent = (told: DriverTold | undefined): number =>
    told?.link.counters['frames_resent'] ?? 0;
  return {
    told: now,
    isOfLife: period.isOfLife,
    total: deviceRates('all', now, base?.total, period),
    devices: now.devices.map((device, i) =>
      deviceRates(device.name, device, base?.devices[i], period),
    ),
    resentPerSecond: (resent(now) - resent(base?.told)) / seconds,
  };
}

function deviceRates(
  name: string,
  now: WorkTold,
  before: DeviceRates | undefined,
  { seconds, isOfLife }: Period,
): DeviceRates {
  const read = transferRates(now.read, before?.told.read, seconds);
  const write = transferRates(now.write, before?.told.write, seconds);
  const rate = read.bytesPerSecond + write.bytesPerSecond;
  return {
    name,
    told: now,
    read,
    write,
    inFlight: now.in_flight,
    failedPerSecond: (failures(now) - failures(before?.told)) / seconds,
    past: isOfLife ? [] : [...(before?.past ?? []), rate].slice(-PERIODS_KEPT),
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

function failures(told: WorkTold | undefined): number {
  return Object.values(told?.failed ?? {}).reduce((sum, count) => sum + count, 0);
}

/** A minute, unless it is asked for another interval. */
export const PERIODS_KEPT = 60;
