/**
 * What a program that others watch needs, for Node: the text that Prometheus reads and a server for
 * it, and a file of counters. Loaded when asked for: `await import('@oxmem/tloe-protocol/observe')`.
 */
export {
  ANY,
  byReason,
  counter,
  gauge,
  metricText,
  type Metric,
  type MetricLabels,
  type MetricSample,
} from './metric-text.ts';
export { MetricsServer, type MetricsServerOptions } from './metrics-server.ts';
export { countsSince, period, type Period, type PeriodCounts } from './period.ts';
export { StatsFile, type StatsFileOptions } from './stats-file.ts';
export { LINK_METRICS, SOCKET_METRICS, reportCounters, type LinkReport } from './link-metrics.ts';
