import { MILLISECOND, formatMac } from '@oxmem/tloe-protocol';
import type { EndpointEvent } from '../endpoint-events.ts';
import {
  MAX_FRAMES_UNDER_WAY,
  type FaultCounts,
  type FrameFaultCounts,
} from '../faults/faulty-direction.ts';
import type { NetworkEndpointStats } from '../start-endpoint.ts';
import type { Logger } from './logger.ts';

/** Writes what an endpoint tells as log lines. */
export function logEvent(log: Logger, event: EndpointEvent): void {
  if (event.type === 'failed') {
    log.error({ event: event.type, error: event.error.message }, event.error.message);
    return;
  }
  const mac = formatMac(event.mac);
  const fields = { event: event.type, mac };
  switch (event.type) {
    case 'opened':
      log.info(fields, `connection opened by ${mac}`);
      return;
    case 'restarted':
      log.warn(fields, `connection opened anew by ${mac}, which had not closed the one before`);
      return;
    case 'closed':
      log.info(fields, `connection closed by ${mac}`);
      return;
    case 'lost': {
      const silentMillis = Math.round(event.silentMicros / MILLISECOND);
      log.warn(
        { ...fields, silentMillis },
        `${mac} has acknowledged nothing for ${silentMillis} ms`,
      );
      return;
    }
    case 'recovered':
      log.info(fields, `${mac} acknowledges again`);
      return;
    case 'reclaimed':
      log.warn(fields, `connection of ${mac} given up: another initiator needs its place`);
      return;
    case 'refused': {
      const { framesRefused } = event;
      const text = `connection refused to ${mac}: --max-connections are open`;
      log.warn({ ...fields, framesRefused }, `${text} (${framesRefused} frames refused so far)`);
    }
  }
}

/** The last line: what was done in all. */
export function logSummary(log: Logger, stats: NetworkEndpointStats): void {
  const { connections, responder, link, capture, faults } = stats;
  if (capture !== undefined && capture.framesDropped > 0) {
    log.warn(`the capture misses ${capture.framesDropped} frames: the disk could not keep up`);
  }
  const overflowed = (faults?.rx.overflowed ?? 0) + (faults?.tx.overflowed ?? 0);
  if (overflowed > 0) {
    log.warn(
      `--fault dropped ${overflowed} frames besides, because ${MAX_FRAMES_UNDER_WAY} in a direction ` +
        'were delayed already: delay less, or send less',
    );
  }
  const text = [
    `served ${connections.opened} connections`,
    `${responder.gets} reads of ${responder.bytesRead} bytes`,
    `${responder.puts} writes of ${responder.bytesWritten} bytes`,
    `${responder.denied} denied`,
    `${stats.framesReceived} frames received, ${stats.framesSent} sent, ${link.framesResent} resent`,
    ...(faults === undefined ? [] : [`faults of frames: ${describeFaults(faults)}`]),
  ];
  log.info({ counters: stats }, text.join(', '));
}

/** What happened, both directions together: "12 lost, 3 duplicated". */
function describeFaults({ rx, tx }: FrameFaultCounts): string {
  const names = Object.keys(rx) as (keyof FaultCounts)[];
  const made = names.filter((name) => name !== 'frames' && rx[name] + tx[name] > 0);
  return made.map((name) => `${rx[name] + tx[name]} ${name}`).join(', ') || 'none';
}
