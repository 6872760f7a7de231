import type { RawSocketCounters } from '@oxmem/rawsock';
import { formatDuration, rejectedByName, type Link } from '@oxmem/tloe-protocol';

import { DeviceStats } from '../device/device-stats.ts';
import type { ConnectionTotals } from '../endpoint/connection-totals.ts';
import type { Logger } from './logger.ts';

/** What a summary is made of. */
export interface SummarySource {
  readonly memory: { totals(): ConnectionTotals; readonly link: Pick<Link, 'position'> };
  readonly devices: readonly { readonly stats: DeviceStats }[];
  readonly socket: { counters(): RawSocketCounters };
  readonly capture: { readonly framesDropped: number } | undefined;
}

/** The last line of the log: what was done in all, and what was dropped and why. */
export function logSummary(logger: Logger, source: SummarySource): void {
  const { memory, devices, socket, capture } = source;
  const totals = memory.totals();
  const stats = DeviceStats.sum(devices.map((device) => device.stats));
  if (capture !== undefined && capture.framesDropped > 0) {
    logger.warn(`the capture misses ${capture.framesDropped} frames: the disk could not keep up`);
  }
  const { readLatency: _r, writeLatency: _w, ...requests } = stats;
  const { rejected: _, ...link } = totals.link;
  const counters = {
    connections: totals.connections,
    framesReceived: totals.host.framesReceived,
    framesSent: totals.host.framesSent,
    rejected: rejectedByName(totals.host.rejected, totals.link.rejected),
    requests,
    initiator: totals.initiator,
    link,
    socket: socket.counters(),
    roundTripMicros: memory.link.position().roundTripMicros,
  };
  const text = [
    `${requests.reads} reads of ${requests.bytesRead} bytes`,
    `${requests.writes} writes of ${requests.bytesWritten} bytes`,
    `${stats.failures} failed`,
    `${counters.framesReceived} frames received, ${counters.framesSent} sent`,
    `${link.framesResent} resent`,
    `round trip ${formatDuration(counters.roundTripMicros)}`,
  ];
  logger.info({ counters }, text.join(', '));
}
