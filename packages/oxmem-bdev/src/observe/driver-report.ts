import type { RawSocketCounters } from '@oxmem/rawsock';
import {
  MEMORY_STATUS_NAMES,
  rejectedByName,
  type LatencyHistogram,
  type Link,
  type LinkState,
} from '@oxmem/tloe-protocol';
import { reportCounters, type LinkReport } from '@oxmem/tloe-protocol/observe';

import { DeviceStats } from '../device/device-stats.ts';
import type { ConnectionTotals } from '../endpoint/connection-totals.ts';
import type { EndpointState } from '../endpoint/endpoint-state.ts';

/** What never changes while a driver runs, but for the names of its devices. */
export interface DriverFacts {
  readonly version: string;
  readonly pid: number;
  readonly netdev: string;
  /** MAC address of the endpoint. */
  readonly endpoint: string;
  /** Accesses in flight at most. */
  readonly window: number;
}

/** What a driver is made of, as far as it is reported. */
export interface ReportSource {
  readonly facts: DriverFacts;
  /** Seconds since the start of 1970, and since this driver began. */
  readonly timestamp: number;
  readonly uptimeSeconds: number;
  readonly memory: {
    totals(): ConnectionTotals;
    readonly state: EndpointState;
    readonly link: Pick<Link, 'position' | 'state' | 'profile'>;
    readonly initiator: { readonly accessesInFlight: number };
  };
  readonly devices: readonly ReportedDevice[];
  readonly socket: { counters(): RawSocketCounters };
}

/** A device in a report. */
export interface ReportedDevice {
  /** `/dev/nbd0`, or the name of an export. */
  readonly name: string;
  readonly sizeBytes: number;
  /** First remote address, hexadecimal. */
  readonly base: string;
  readonly stats: DeviceStats;
  readonly inFlight: number;
}

/** Times in microseconds. */
export interface LatencyReport {
  readonly p50: number;
  readonly p99: number;
  readonly p99_9: number;
  readonly mean: number;
}

/** Requests of one kind, as far as they were done. */
export interface TransferReport {
  readonly count: number;
  readonly bytes: number;
  readonly latency_us: LatencyReport;
  /** For programs that want percentiles of a time of their own: longest time and count. */
  readonly latency_buckets_us: readonly (readonly [number, number])[];
  readonly latency_sum_us: number;
}

/** What a device has done, or all of them together. */
export interface WorkReport {
  readonly read: TransferReport;
  readonly write: TransferReport;
  readonly write_zeroes: { readonly count: number; readonly bytes: number };
  readonly flush: { readonly count: number };
  readonly trim: { readonly count: number };
  /** Requests that failed, by reason; reasons that never occurred are left out. */
  readonly failed: Readonly<Record<string, number>>;
  readonly in_flight: number;
}

/** All that a driver says of itself, in the names of its JSON. Programs rely on them. */
export interface DriverReport extends WorkReport {
  readonly timestamp: number;
  readonly program: 'oxmem-bdev';
  readonly version: string;
  readonly pid: number;
  readonly uptime_seconds: number;
  readonly netdev: string;
  readonly endpoint: string;
  readonly endpoint_state: EndpointState;
  readonly profile: string;
  readonly devices: readonly (WorkReport & {
    readonly name: string;
    readonly size_bytes: number;
    readonly base: string;
  })[];
  /** Where the connection stands, and the counters of all connections so far. */
  readonly link: LinkReport & {
    readonly state: LinkState;
    readonly connections: number;
    readonly next_number: number;
    readonly acknowledged_number: number;
    readonly expected_number: number;
    readonly window_frames: number;
    readonly outstanding_frames: number;
    readonly round_trip_us: number;
    readonly retransmit_timeout_us: number;
    readonly credit_flits: Readonly<Record<string, number>>;
  };
  /** TileLink accesses: now, and the counters of all connections so far. */
  readonly accesses: {
    readonly in_flight: number;
    readonly window: number;
    readonly counters: Readonly<Record<string, number>>;
  };
  /** Of the raw socket. */
  readonly socket: { readonly counters: Readonly<Record<string, number>> };
}

/** How things are now. */
export function driverReport(source: ReportSource): DriverReport {
  const { facts, memory, devices, socket } = source;
  const totals = memory.totals();
  const inFlight = devices.reduce((sum, device) => sum + device.inFlight, 0);
  return {
    timestamp: source.timestamp,
    program: 'oxmem-bdev',
    version: facts.version,
    pid: facts.pid,
    uptime_seconds: source.uptimeSeconds,
    netdev: facts.netdev,
    endpoint: facts.endpoint,
    endpoint_state: memory.state,
    profile: memory.link.profile.name,
    ...workReport(DeviceStats.sum(devices.map(({ stats }) => stats)), inFlight),
    devices: devices.map((device) => ({
      name: device.name,
      size_bytes: device.sizeBytes,
      base: device.base,
      ...workReport(device.stats, device.inFlight),
    })),
    link: linkReport(totals, memory.link),
    accesses: {
      in_flight: memory.initiator.accessesInFlight,
      window: facts.window,
      counters: reportCounters(totals.initiator),
    },
    socket: { counters: reportCounters(socket.counters()) },
  };
}

/** The percentiles of a histogram. */
export function latencyReport(histogram: LatencyHistogram): LatencyReport {
  const { count, sumMicros } = histogram;
  return {
    p50: histogram.percentile(0.5),
    p99: histogram.percentile(0.99),
    p99_9: histogram.percentile(0.999),
    mean: count === 0 ? 0 : Math.round(sumMicros / count),
  };
}

function workReport(stats: DeviceStats, inFlight: number): WorkReport {
  const failures = MEMORY_STATUS_NAMES.map((name, status) => [
    name,
    stats.failed[status] as number,
  ]);
  return {
    read: transferReport(stats.reads, stats.bytesRead, stats.readLatency),
    write: transferReport(stats.writes, stats.bytesWritten, stats.writeLatency),
    write_zeroes: { count: stats.zeroings, bytes: stats.bytesZeroed },
    flush: { count: stats.flushes },
    trim: { count: stats.trims },
    failed: Object.fromEntries(failures.filter(([, count]) => count !== 0)) as Record<
      string,
      number
    >,
    in_flight: inFlight,
  };
}

function transferReport(count: number, bytes: number, latency: LatencyHistogram): TransferReport {
  return {
    count,
    bytes,
    latency_us: latencyReport(latency),
    latency_buckets_us: latency.filled(),
    latency_sum_us: latency.sumMicros,
  };
}

function linkReport(
  totals: ConnectionTotals,
  link: ReportSource['memory']['link'],
): DriverReport['link'] {
  const now = link.position();
  const credits = Object.entries(now.creditFlits).map(([channel, flits]) => [
    channel.toLowerCase(),
    flits,
  ]);
  return {
    state: link.state,
    connections: totals.connections,
    next_number: now.nextNumber,
    acknowledged_number: now.acknowledgedNumber,
    expected_number: now.expectedNumber,
    window_frames: now.windowFrames,
    outstanding_frames: now.framesOutstanding,
    round_trip_us: now.roundTripMicros,
    retransmit_timeout_us: now.retransmitTimeoutMicros,
    credit_flits: Object.fromEntries(credits) as Record<string, number>,
    counters: reportCounters(totals.link),
    rejected_frames: rejectedByName(totals.host.rejected, totals.link.rejected),
  };
}
