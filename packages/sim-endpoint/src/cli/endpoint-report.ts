import { reportCounters, type LinkReport } from '@oxmem/tloe-protocol/observe';
import type { NetworkEndpointStats } from '../start-endpoint.ts';

/** Requests of one kind, in all and since the last report. */
export interface TransferReport {
  readonly count: number;
  readonly bytes: number;
  readonly count_per_period: number;
  readonly bytes_per_period: number;
}

/** All that an endpoint says of itself, in the names of its JSON. Programs rely on them. */
export interface EndpointReport {
  /** Seconds since the start of 1970. */
  readonly timestamp: number;
  readonly program: 'oxmem-sim-endpoint';
  readonly pid: number;
  readonly uptime_seconds: number;
  readonly interval_seconds: number;
  /** Since the last report, or since the start. */
  readonly period_seconds: number;
  readonly netdev: string;
  readonly mac: string;
  readonly size_bytes: number;
  readonly read: TransferReport;
  readonly write: TransferReport;
  readonly atomic: { readonly count: number };
  /** Requests that were refused. */
  readonly denied: number;
  readonly connections: Readonly<Record<string, number>> & { readonly open: number };
  readonly responder: { readonly counters: Readonly<Record<string, number>> };
  /** The counters of all connections so far. */
  readonly link: LinkReport;
  /** Of the raw socket. */
  readonly socket: { readonly counters: Readonly<Record<string, number>> };
}

/** What an endpoint's report is made of. */
export interface EndpointReportSource {
  readonly facts: Pick<EndpointReport, 'pid' | 'netdev' | 'mac' | 'size_bytes'>;
  readonly timestamp: number;
  readonly uptimeSeconds: number;
  readonly intervalSeconds: number;
  readonly stats: NetworkEndpointStats;
}

/** How things are now, and what came since the report before. */
export function endpointReport(
  source: EndpointReportSource,
  before: EndpointReport | undefined,
): EndpointReport {
  const { timestamp, uptimeSeconds, facts, stats } = source;
  const { responder, connections, connectionsOpen } = stats;
  const seconds = uptimeSeconds - (before?.uptime_seconds ?? 0);
  return {
    timestamp,
    program: 'oxmem-sim-endpoint',
    uptime_seconds: uptimeSeconds,
    interval_seconds: source.intervalSeconds,
    period_seconds: Math.round(seconds * 1e3) / 1e3,
    ...facts,
    read: transfer(responder.gets, responder.bytesRead, before?.read),
    write: transfer(responder.puts, responder.bytesWritten, before?.write),
    atomic: { count: responder.atomics },
    denied: responder.denied,
    connections: { open: connectionsOpen, ...reportCounters(connections) },
    responder: { counters: reportCounters(responder) },
    link: { counters: reportCounters(stats.link), rejected_frames: stats.rejected },
    socket: { counters: reportCounters(stats.socket) },
  };
}

function transfer(
  count: number,
  bytes: number,
  before: TransferReport | undefined,
): TransferReport {
  return {
    count,
    bytes,
    count_per_period: count - (before?.count ?? 0),
    bytes_per_period: bytes - (before?.bytes ?? 0),
  };
}
