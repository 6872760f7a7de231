/**
 * What drivers tell those who ask their claims. Any process can take the name of a claim, and a
 * driver may be of another version, so nothing is believed that this table does not ask for.
 */
import type { DriverReport, TransferReport, WorkReport } from './driver-report.ts';

/** Requests of one kind. */
export type TransferTold = Pick<
  TransferReport,
  'count' | 'bytes' | 'latency_buckets_us' | 'latency_sum_us'
>;

/** What a device has done, or all of them together. */
export interface WorkTold extends Pick<WorkReport, 'failed' | 'in_flight'> {
  readonly read: TransferTold;
  readonly write: TransferTold;
}

/** What a driver tells of itself, as far as commands use it. Texts do a terminal no harm. */
export interface DriverTold
  extends
    WorkTold,
    Pick<DriverReport, 'program' | 'pid' | 'uptime_seconds' | 'netdev' | 'endpoint'> {
  /** One of {@link EndpointState}, or one that only its own version knows. */
  readonly endpoint_state: string;
  /** Where an export listens; null: it has kernel devices. */
  readonly place: string | null;
  readonly devices: readonly (WorkTold &
    Pick<DriverReport['devices'][number], 'name' | 'size_bytes' | 'base'>)[];
  readonly link: Pick<
    DriverReport['link'],
    'window_frames' | 'outstanding_frames' | 'round_trip_us' | 'credit_flits' | 'counters'
  >;
  readonly accesses: Pick<DriverReport['accesses'], 'in_flight' | 'window'>;
}

/**
 * Reads what somebody told who has the name of a driver's claim.
 *
 * @returns undefined: no driver that is understood
 */
export function readDriverTold(text: string): DriverTold | undefined {
  try {
    return DRIVER(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Undefined: it is something else. */
type Reader<T> = (value: unknown) => T | undefined;

/** Control characters, line ends and whatever else moves a cursor become `?`. */
const text: Reader<string> = (value) =>
  typeof value === 'string' && value.length <= MOST_CHARACTERS
    ? value.replaceAll(/\p{C}/gu, '?')
    : undefined;

const number: Reader<number> = (value) =>
  typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : undefined;

const count: Reader<number> = (value) => (Number.isInteger(value) ? number(value) : undefined);

/** Other versions may have other ones, of other kinds. */
const counters: Reader<Readonly<Record<string, number>>> = (value) =>
  typeof value === 'object' && value !== null
    ? Object.fromEntries(Object.entries(value).filter(([, it]) => count(it) !== undefined))
    : undefined;

const bucket: Reader<readonly [number, number]> = (value) => {
  const [micros, times] = listOf(count)(value) ?? [];
  return micros === undefined || times === undefined ? undefined : [micros, times];
};

const transfer = fieldsOf<TransferTold>({
  count,
  bytes: count,
  latency_buckets_us: listOf(bucket),
  latency_sum_us: number,
});

const WORK = { read: transfer, write: transfer, failed: counters, in_flight: count };

const DRIVER = fieldsOf<DriverTold>({
  ...WORK,
  program: (value) => (value === 'oxmem-bdev' ? value : undefined),
  pid: count,
  uptime_seconds: number,
  netdev: text,
  endpoint: text,
  endpoint_state: text,
  place: (value) => (value === null ? null : text(value)),
  devices: listOf(fieldsOf({ ...WORK, name: text, size_bytes: count, base: text })),
  link: fieldsOf({
    window_frames: count,
    outstanding_frames: count,
    round_trip_us: number,
    credit_flits: counters,
    counters,
  }),
  accesses: fieldsOf({ in_flight: count, window: count }),
});

/** All of them have to be there; what there is besides is left aside. */
function fieldsOf<T extends object>(readers: {
  readonly [Name in keyof T]: Reader<T[Name]>;
}): Reader<T> {
  return (value) => {
    if (typeof value !== 'object' || value === null) return undefined;
    const fields = Object.entries<Reader<unknown>>(readers).map(([name, read]) => [
      name,
      read((value as Record<string, unknown>)[name]),
    ]);
    if (fields.some(([, it]) => it === undefined)) return undefined;
    return Object.fromEntries(fields) as T;
  };
}

function listOf<T>(read: Reader<T>): Reader<readonly T[]> {
  return (value) => {
    if (!Array.isArray(value) || value.length > MOST_ITEMS) return undefined;
    const items = value.map(read);
    return items.every((it) => it !== undefined) ? items : undefined;
  };
}

/** More than a driver has of devices, and of buckets in a histogram. */
const MOST_ITEMS = 1_000;
const MOST_CHARACTERS = 1_000;
