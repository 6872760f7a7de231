import { LatencyHistogram } from '@oxmem/tloe-protocol';
import { countsSince, period, type Period, type PeriodCounts } from '@oxmem/tloe-protocol/observe';

import {
  latencyReport,
  type DriverReport,
  type LatencyReport,
  type TransferReport,
  type WorkReport,
} from './driver-report.ts';

/** Requests of one kind, in all and since the last report. */
export interface PeriodTransfer extends PeriodCounts {
  readonly latency_us: LatencyReport;
  readonly latency_per_period_us: LatencyReport;
}

/** All times of a transfer. */
type LatencyTold = Pick<TransferReport, 'latency_buckets_us' | 'latency_sum_us'>;

type PeriodWork<Work extends WorkReport> = Omit<Work, 'read' | 'write'> & {
  readonly read: PeriodTransfer;
  readonly write: PeriodTransfer;
};

/** What stands in the stats file. */
export type PeriodReport = PeriodWork<Omit<DriverReport, 'devices'>> &
  Period & { readonly devices: readonly PeriodWork<DriverReport['devices'][number]>[] };

/**
 * The report now, with what came since the report before.
 *
 * @param before  undefined: nothing was done before
 */
export function periodReport(
  now: DriverReport,
  before: DriverReport | undefined,
  intervalSeconds: number,
): PeriodReport {
  const { devices, ...rest } = now;
  return {
    ...periodWork(rest, before),
    ...period(now, before, intervalSeconds),
    devices: devices.map((device, i) => periodWork(device, before?.devices[i])),
  };
}

/** The times of a transfer as a histogram, less those of the report before. */
export function latencySince(now: LatencyTold, before: LatencyTold | undefined): LatencyHistogram {
  const histogram = histogramOf(now);
  return before === undefined ? histogram : histogram.since(histogramOf(before));
}

function periodWork<Work extends WorkReport>(
  now: Work,
  before: WorkReport | undefined,
): PeriodWork<Work> {
  return {
    ...now,
    read: periodTransfer(now.read, before?.read),
    write: periodTransfer(now.write, before?.write),
  };
}

function periodTransfer(now: TransferReport, before: TransferReport | undefined): PeriodTransfer {
  return {
    ...countsSince(now, before),
    latency_us: now.latency_us,
    latency_per_period_us: latencyReport(latencySince(now, before)),
  };
}

function histogramOf({ latency_buckets_us, latency_sum_us }: LatencyTold): LatencyHistogram {
  return LatencyHistogram.of(latency_buckets_us, latency_sum_us);
}
