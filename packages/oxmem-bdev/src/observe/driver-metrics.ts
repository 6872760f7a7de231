import { Channel, MEMORY_STATUS_NAMES } from '@oxmem/tloe-protocol';
import {
  ANY,
  LINK_METRICS,
  SOCKET_METRICS,
  byReason,
  counter,
  gauge,
  type Metric,
  type MetricSample,
} from '@oxmem/tloe-protocol/observe';

import { ENDPOINT_STATES } from '../endpoint/endpoint-state.ts';
import type { DriverReport, ReportedDevice } from './driver-report.ts';

/** What the metrics of a driver are read from. */
export interface DriverMetricsSource extends DriverReport {
  /** The devices themselves: histograms are read from their counters. */
  readonly reported: readonly ReportedDevice[];
}

type Source = DriverMetricsSource;
type Device = Source['devices'][number];

const TRANSFERS = ['read', 'write', 'write_zeroes'] as const;
const OPERATIONS = [...TRANSFERS, 'flush', 'trim'] as const;
const STATES = Object.keys(ENDPOINT_STATES);
const FAILURES = MEMORY_STATUS_NAMES.filter((name) => name !== 'ok');
const CHANNELS = Object.keys(Channel).map((name) => name.toLowerCase());

/** Every metric of `oxmem-bdev`. The names stay. */
export const DRIVER_METRICS: readonly Metric<Source>[] = [
  {
    name: 'oxmem_info',
    kind: 'gauge',
    help: 'Always 1; the labels say what this driver is',
    labels: { version: ANY, netdev: ANY, endpoint: ANY, profile: ANY },
    read: ({ version, netdev, endpoint, profile }) => [
      { labels: { version, netdev, endpoint, profile }, value: 1 },
    ],
  },
  gauge('oxmem_uptime_seconds', 'Time since this driver began', (it) => it.uptime_seconds),
  {
    name: 'oxmem_endpoint_state',
    kind: 'gauge',
    help: 'State of the endpoint: 1 for the one that it is in, 0 for the others',
    labels: { state: STATES },
    read: ({ endpoint_state }) =>
      STATES.map((state) => ({ labels: { state }, value: Number(state === endpoint_state) })),
  },
  {
    name: 'oxmem_device_size_bytes',
    kind: 'gauge',
    help: 'Size of the device',
    labels: { device: ANY },
    read: (it) => eachDevice(it, ({ size_bytes }) => size_bytes),
  },
  {
    name: 'oxmem_device_requests_total',
    kind: 'counter',
    help: 'Requests that were done; op is read, write, write_zeroes, flush or trim',
    labels: { device: ANY, op: OPERATIONS },
    read: (it) =>
      it.devices.flatMap((device) =>
        OPERATIONS.map((op) => ({
          labels: { device: device.name, op },
          value: device[op].count,
        })),
      ),
  },
  {
    name: 'oxmem_device_bytes_total',
    kind: 'counter',
    help: 'Bytes of the requests that were done; op is read, write or write_zeroes',
    labels: { device: ANY, op: TRANSFERS },
    read: (it) =>
      it.devices.flatMap((device) =>
        TRANSFERS.map((op) => ({ labels: { device: device.name, op }, value: device[op].bytes })),
      ),
  },
  {
    name: 'oxmem_device_failed_requests_total',
    kind: 'counter',
    help: 'Requests that failed, by reason',
    labels: { device: ANY, reason: FAILURES },
    read: (it) =>
      it.devices.flatMap(({ name: device, failed }) => byReason(FAILURES, failed, { device })),
  },
  {
    name: 'oxmem_device_in_flight_requests',
    kind: 'gauge',
    help: 'Requests that are with the endpoint or wait for it',
    labels: { device: ANY },
    read: (it) => eachDevice(it, ({ in_flight }) => in_flight),
  },
  {
    name: 'oxmem_device_latency_seconds',
    kind: 'histogram',
    help: 'From the arrival of a request at the device to its end; op is read or write',
    labels: { device: ANY, op: ['read', 'write'] },
    read: ({ reported }) =>
      reported.flatMap(({ name: device, stats }) => [
        { labels: { device, op: 'read' }, value: stats.readLatency },
        { labels: { device, op: 'write' }, value: stats.writeLatency },
      ]),
  },
  counter(
    'oxmem_connections_total',
    'Connections to the endpoint, those included that it never answered',
    (it) => it.link.connections,
  ),
  gauge(
    'oxmem_link_window_frames',
    'Frames that may be on their way at once',
    (it) => it.link.window_frames,
  ),
  gauge(
    'oxmem_link_outstanding_frames',
    'Frames sent and not acknowledged',
    (it) => it.link.outstanding_frames,
  ),
  gauge(
    'oxmem_link_next_number',
    'Sequence number of the next new frame',
    (it) => it.link.next_number,
  ),
  gauge(
    'oxmem_link_acknowledged_number',
    'The last sequence number that the endpoint has acknowledged',
    (it) => it.link.acknowledged_number,
  ),
  gauge(
    'oxmem_link_expected_number',
    'The next sequence number expected of the endpoint',
    (it) => it.link.expected_number,
  ),
  gauge(
    'oxmem_link_round_trip_seconds',
    'Smoothed round trip; 0 before the first',
    (it) => it.link.round_trip_us / 1e6,
  ),
  gauge(
    'oxmem_link_retransmit_timeout_seconds',
    'How long an unacknowledged frame waits until it is sent again',
    (it) => it.link.retransmit_timeout_us / 1e6,
  ),
  {
    name: 'oxmem_link_credit_flits',
    kind: 'gauge',
    help: 'Flits that may be sent now, by TileLink channel',
    labels: { channel: CHANNELS },
    read: ({ link }) =>
      CHANNELS.map((channel) => ({ labels: { channel }, value: link.credit_flits[channel] ?? 0 })),
  },
  ...LINK_METRICS,
  gauge(
    'oxmem_accesses_in_flight',
    'TileLink accesses whose answer is awaited',
    (it) => it.accesses.in_flight,
  ),
  gauge(
    'oxmem_accesses_window',
    'The most of them at once, as --window has it',
    (it) => it.accesses.window,
  ),
  ...Object.entries({
    accesses_issued: 'TileLink accesses sent for the first time',
    accesses_reissued: 'TileLink accesses sent again because their answer did not come',
    denied_answers: 'Answers by which the endpoint refused an access',
    corrupt_answers: 'Answers of which the endpoint says that their data is damaged',
    malformed_answers: 'Answers of the wrong kind or size',
    unknown_sources: 'Answers to nothing: late, repeated or invented',
    lock_waits: 'Requests that had to wait for another one of the same bytes',
  }).map(([name, help]) =>
    counter(`oxmem_${name}_total`, help, (it: Source) => it.accesses.counters[name] ?? 0),
  ),
  ...SOCKET_METRICS,
];

function eachDevice({ devices }: Source, read: (device: Device) => number): MetricSample<number>[] {
  return devices.map((device) => ({ labels: { device: device.name }, value: read(device) }));
}
