/** The period that a report in a stats file is about. */
export interface Period {
  /** How often there shall be a report. */
  readonly interval_seconds: number;
  /** Since the report before, or since the start. */
  readonly period_seconds: number;
}

/**
 * The time between two reports, in seconds to the millisecond.
 *
 * @param before  undefined: there was no report before
 */
export function period(
  now: { readonly uptime_seconds: number },
  before: { readonly uptime_seconds: number } | undefined,
  intervalSeconds: number,
): Period {
  const seconds = now.uptime_seconds - (before?.uptime_seconds ?? 0);
  return { interval_seconds: intervalSeconds, period_seconds: Math.round(seconds * 1e3) / 1e3 };
}

/** Requests of one kind, in all and within a period. */
export interface PeriodCounts {
  readonly count: number;
  readonly bytes: number;
  readonly count_per_period: number;
  readonly bytes_per_period: number;
}

/**
 * What was done between two reports.
 *
 * @param before  undefined: there was no report before
 */
export function countsSince(
  { count, bytes }: Pick<PeriodCounts, 'count' | 'bytes'>,
  before: Pick<PeriodCounts, 'count' | 'bytes'> | undefined,
): PeriodCounts {
  return {
    count,
    bytes,
    count_per_period: count - (before?.count ?? 0),
    bytes_per_period: bytes - (before?.bytes ?? 0),
  };
}
