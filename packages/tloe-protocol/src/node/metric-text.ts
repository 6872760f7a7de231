import type { LatencyHistogram } from '../latency-histogram.ts';

/** Names and values that tell the samples of a metric apart. */
export type MetricLabels = Readonly<Record<string, string>>;

/** One value of a metric; a metric has one for each set of labels. */
export interface MetricSample<Value> {
  readonly labels?: MetricLabels;
  readonly value: Value;
}

/** A metric: what it is called, what it means, and where its values come from. */
export type Metric<Source> = {
  /** With its unit, and `_total` if it only grows: `oxmem_device_read_bytes_total`. */
  readonly name: string;
  /** One sentence without its full stop. */
  readonly help: string;
  /** Names of the labels that samples have, each with all its values; none: they may be any. */
  readonly labels?: Readonly<Record<string, readonly string[]>>;
} & (
  | {
      readonly kind: 'counter' | 'gauge';
      readonly read: (source: Source) => readonly MetricSample<number>[];
    }
  | {
      /** Of times, in seconds. */
      readonly kind: 'histogram';
      readonly read: (source: Source) => readonly MetricSample<LatencyHistogram>[];
    }
);

/** The values of a label of which nobody knows beforehand what they will be. */
export const ANY: readonly string[] = [];

/**
 * The samples of a counter by reason. Each reason is there from the start: of a series that begins
 * with what it counted first, Prometheus sees no increase.
 */
export function byReason(
  reasons: readonly string[],
  counts: Readonly<Record<string, number>>,
  labels: MetricLabels = {},
): MetricSample<number>[] {
  return reasons.map((reason) => ({ labels: { ...labels, reason }, value: counts[reason] ?? 0 }));
}

/** A metric of one value that rises and falls. */
export function gauge<Source>(
  name: string,
  help: string,
  read: (source: Source) => number,
): Metric<Source> {
  return { name, kind: 'gauge', help, read: (source) => [{ value: read(source) }] };
}

/** A metric of one value that only grows. */
export function counter<Source>(
  name: string,
  help: string,
  read: (source: Source) => number,
): Metric<Source> {
  return { name, kind: 'counter', help, read: (source) => [{ value: read(source) }] };
}

/** Metrics as Prometheus reads them (text format 0.0.4). */
export function metricText<Source>(metrics: readonly Metric<Source>[], source: Source): string {
  const lines: string[] = [];
  for (const metric of metrics) {
    const { name, help, kind } = metric;
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`);
    if (metric.kind === 'histogram') {
      for (const { labels = {}, value } of metric.read(source)) {
        pushHistogram(lines, name, labels, value);
      }
    } else {
      for (const { labels = {}, value } of metric.read(source)) {
        lines.push(`${name}${labelText(labels)} ${value}`);
      }
    }
  }
  return `${lines.join('\n')}\n`;
}

function pushHistogram(
  lines: string[],
  name: string,
  labels: MetricLabels,
  histogram: LatencyHistogram,
): void {
  const own = labelText({ ...labels, le: '' }).slice(0, -'"}'.length);
  const counts = histogram.countsBelow(BOUNDARIES_MICROS);
  BOUNDARIES_SECONDS.forEach((seconds, i) => {
    lines.push(`${name}_bucket${own}${seconds}"} ${counts[i]}`);
  });
  lines.push(`${name}_bucket${own}+Inf"} ${histogram.count}`);
  lines.push(`${name}_sum${labelText(labels)} ${histogram.sumMicros / 1e6}`);
  lines.push(`${name}_count${labelText(labels)} ${histogram.count}`);
}

function labelText(labels: MetricLabels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** 16 us, 24 us, 32 us, 48 us, ... 16.8 s: edges of the histogram's own buckets. */
const BOUNDARIES_MICROS: readonly number[] = Array.from(
  { length: 41 },
  (_, i) => 2 ** (4 + Math.floor(i / 2)) * (i % 2 === 0 ? 1 : 1.5),
);
const BOUNDARIES_SECONDS = BOUNDARIES_MICROS.map((micros) => String(micros / 1e6));
