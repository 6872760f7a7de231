import {
  countsSince,
  period,
  reportCounters,
  type LinkReport,
  type Period,
  type PeriodCounts,
} from '@oxmem/tloe-protocol/observe';
import type { FrameFaultCounts } from '../faults/faulty-direction.ts';
import type { NetworkEndpointStats } from '../start-endpoint.ts';

/** Requests of one kind. */
export interface TransferReport {
  readonly count: number;
  readonly bytes: number;
}

/** All that an endpoint says of itself, in the names of its JSON. Programs rely on them. */
export interface EndpointReport {
  /** Seconds since the start of 1970. */
  readonly timestamp: number;
  readonly program: 'oxmem-sim-endpoint';
  readonly pid: number;
  readonly uptime_seconds: number;
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
  /** What --fault did to frames received and sent; null: nothing was asked for. */
  readonly faults: FrameFaultCounts | null;
  /** Of the raw socket. */
  readonly socket: { readonly counters: Readonly<Record<string, number>> };
}

/** What an endpoint's report is made of. */
export interface EndpointReportSource {
  readonly facts: Pick<EndpointReport, 'pid' | 'netdev' | 'mac' | 'size_bytes'>;
  readonly timestamp: number;
  readonly uptimeSeconds: number;
  readonly stats: NetworkEndpointStats;
}

/** How things are now. */
export function endpointReport(source: EndpointReportSource): EndpointReport {
  const { timestamp, uptimeSeconds, facts, stats } = source;
  const { responder, connections, connectionsOpen } = stats;
  return {
    timestamp,
    program: 'oxmem-sim-endpoint',
    uptime_seconds: uptimeSeconds,
    ...facts,
    read: { count: responder.gets, bytes: responder.bytesRead },
    write: { count: responder.puts, bytes: responder.bytesWritten },
    atomic: { count: responder.atomics },
    denied: responder.denied,
    connections: { open: connectionsOpen, ...reportCounters(connections) },
    responder: { counters: reportCounters(responder) },
    link: { counters: reportCounters(stats.link), rejected_frames: stats.rejected },
    faults: stats.faults ?? null,
    socket: { counters: reportCounters(stats.socket) },
  };
}

/** What stands in the stats file. */
export interface EndpointPeriodReport extends EndpointReport, Period {
  readonly read: PeriodCounts;
  readonly write: PeriodCounts;
}

/** The report now, with what came since the report before; undefined: since the start. */
export function endpointPeriodReport(
  now: EndpointReport,
  before: EndpointReport | undefined,
  intervalSeconds: number,
): EndpointPeriodReport {
  return {
    ...now,
    ...period(now, before, intervalSeconds),
    read: countsSince(now.read, before?.read),
    write: countsSince(now.write, before?.write),
  };
}
