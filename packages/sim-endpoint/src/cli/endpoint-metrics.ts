import {
  LINK_METRICS,
  SOCKET_METRICS,
  counter,
  gauge,
  type Metric,
} from '@oxmem/tloe-protocol/observe';
import type { EndpointReport } from './endpoint-report.ts';

const DIRECTIONS = ['rx', 'tx'] as const;
const FRAME_FAULTS = [
  'lost',
  'duplicated',
  'reordered',
  'corrupted',
  'overflowed',
  'stalls',
] as const;

/** Every metric of `oxmem-sim-endpoint`. The names stay. */
export const ENDPOINT_METRICS: readonly Metric<EndpointReport>[] = [
  gauge('oxmem_uptime_seconds', 'Time since this program began', (it) => it.uptime_seconds),
  gauge('oxmem_endpoint_size_bytes', 'Size of the memory', (it) => it.size_bytes),
  {
    name: 'oxmem_endpoint_accesses_total',
    kind: 'counter',
    help: 'TileLink accesses served; op is read, write or atomic',
    labels: { op: ['read', 'write', 'atomic'] },
    read: ({ read, write, atomic }) => [
      { labels: { op: 'read' }, value: read.count },
      { labels: { op: 'write' }, value: write.count },
      { labels: { op: 'atomic' }, value: atomic.count },
    ],
  },
  {
    name: 'oxmem_endpoint_bytes_total',
    kind: 'counter',
    help: 'Bytes of the accesses served; op is read or write',
    labels: { op: ['read', 'write'] },
    read: ({ read, write }) => [
      { labels: { op: 'read' }, value: read.bytes },
      { labels: { op: 'write' }, value: write.bytes },
    ],
  },
  counter('oxmem_endpoint_denied_total', 'Accesses refused', (it) => it.denied),
  gauge('oxmem_endpoint_connections', 'Connections now', (it) => it.connections.open),
  ...Object.entries({
    opened: 'Connections opened',
    restarted: 'Connections opened anew by an initiator that had not closed the one before',
    closed: 'Connections closed by their initiator',
    lost: 'Times that an initiator fell silent',
    reclaimed: 'Connections given up because another initiator needed their place',
    frames_refused: 'Opening frames dropped because there were too many connections',
    frames_unconnected: 'Frames dropped because their sender has no connection',
  }).map(([name, help]) =>
    counter(
      `oxmem_endpoint_connections_${name}_total`,
      help,
      (it: EndpointReport) => it.connections[name] ?? 0,
    ),
  ),
  {
    name: 'oxmem_endpoint_faults_total',
    kind: 'counter',
    help: 'What --fault did to frames; overflowed: dropped because too many were delayed',
    labels: { direction: DIRECTIONS, fault: FRAME_FAULTS },
    read: ({ faults }) =>
      DIRECTIONS.flatMap((direction) =>
        FRAME_FAULTS.map((fault) => ({
          labels: { direction, fault },
          value: faults?.[direction][fault] ?? 0,
        })),
      ),
  },
  ...LINK_METRICS,
  ...SOCKET_METRICS,
];
