import {
  type HostStats,
  LinkStats,
  ResponderStats,
  addCounters,
  rejectedByName,
} from '@oxmem/tloe-protocol';
import type { FrameFaultCounts } from './faults/faulty-direction.ts';

/** Counters of what becomes of connections. */
export class ConnectionStats {
  opened = 0;
  restarted = 0;
  closed = 0;
  lost = 0;
  reclaimed = 0;
  /** Opening frames dropped because there were too many connections. */
  framesRefused = 0;
  /** Frames dropped because their sender has no connection and they did not open one. */
  framesUnconnected = 0;
}

/** All counters of an endpoint: a snapshot, all connections together, also those that are gone. */
export interface EndpointStats {
  /** Connections now. */
  readonly connectionsOpen: number;
  readonly connections: Readonly<ConnectionStats>;
  /** Frames as the transport carried them. */
  readonly framesReceived: number;
  readonly framesSent: number;
  /** Frames dropped, by reason; reasons that never occurred are left out. */
  readonly rejected: Readonly<Record<string, number>>;
  readonly link: Readonly<Omit<LinkStats, 'rejected'>>;
  readonly responder: Readonly<ResponderStats>;
  /** Undefined: no frames are meddled with. */
  readonly faults: FrameFaultCounts | undefined;
}

/** What connections have done that are no more. */
export class DepartedStats {
  readonly link: LinkStats = new LinkStats();
  readonly responder: ResponderStats = new ResponderStats();

  add(link: LinkStats, responder: ResponderStats): void {
    addCounters(this.link, link);
    addCounters(this.responder, responder);
    const { answersWaitingPeak } = responder;
    this.responder.answersWaitingPeak = Math.max(
      this.responder.answersWaitingPeak - answersWaitingPeak,
      answersWaitingPeak,
    );
  }

  clone(): DepartedStats {
    const copy = new DepartedStats();
    copy.add(this.link, this.responder);
    return copy;
  }
}

/** Puts a snapshot together; `totals` belongs to it from now on. */
export function snapshotOf(
  totals: DepartedStats,
  host: HostStats,
  now: Pick<EndpointStats, 'connections' | 'connectionsOpen' | 'faults'>,
): EndpointStats {
  const { rejected: _, ...link } = totals.link;
  return {
    ...now,
    connections: Object.assign(new ConnectionStats(), now.connections),
    framesReceived: host.framesReceived,
    framesSent: host.framesSent,
    rejected: rejectedByName(host.rejected, totals.link.rejected),
    link,
    responder: totals.responder,
  };
}
