import type { RawSocketCounters } from '@oxmem/rawsock';
import { formatDuration, rejectedByName, type RemoteMemory } from '@oxmem/tloe-protocol';

import { DeviceStats } from '../device/device-stats.ts';
import type { RemoteBlockDevice } from '../device/remote-block-device.ts';
import type { Logger } from './logger.ts';

/** What a summary is made of. */
export interface SummarySource {
  readonly memory: Pick<RemoteMemory, 'link' | 'host' | 'initiator'>;
  readonly devices: readonly RemoteBlockDevice[];
  readonly socket: { counters(): RawSocketCounters };
  readonly capture: { readonly framesDropped: number } | undefined;
}

/** The last line of the log: what was done in all, and what was dropped and why. */
export function logSummary(logger: Logger, source: SummarySource): void {
  const { memory, devices, socket, capture } = source;
  const requests = sumOf(devices.map((device) => device.stats));
  if (capture !== undefined && capture.framesDropped > 0) {
    logger.warn(`the capture misses ${capture.framesDropped} frames: the disk could not keep up`);
  }
  const { rejected: _, ...link } = memory.link.stats;
  const counters = {
    framesReceived: memory.host.stats.framesReceived,
    framesSent: memory.host.stats.framesSent,
    rejected: rejectedByName(memory.host.stats.rejected, memory.link.stats.rejected),
    requests,
    initiator: memory.initiator.stats,
    link,
    socket: socket.counters(),
    roundTripMicros: Math.round(memory.link.roundTripMicros),
  };
  const text = [
    `${requests.reads} reads of ${requests.bytesRead} bytes`,
    `${requests.writes} writes of ${requests.bytesWritten} bytes`,
    `${memory.initiator.stats.requestsFailed} failed`,
    `${counters.framesReceived} frames received, ${counters.framesSent} sent`,
    `${link.framesResent} resent`,
    `round trip ${formatDuration(counters.roundTripMicros)}`,
  ];
  logger.info({ counters }, text.join(', '));
}

function sumOf(parts: readonly DeviceStats[]): DeviceStats {
  const sum = new DeviceStats();
  for (const part of parts) sum.add(part);
  return sum;
}
