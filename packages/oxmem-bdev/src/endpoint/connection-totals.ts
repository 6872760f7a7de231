import {
  HostStats,
  InitiatorStats,
  LinkStats,
  addCounters,
  type Initiator,
  type Link,
  type LinkHost,
} from '@oxmem/tloe-protocol';

/** What has counters in a connection. */
export interface CountedConnection {
  readonly link: Pick<Link, 'stats'>;
  readonly host: Pick<LinkHost, 'stats'>;
  readonly initiator: Pick<Initiator, 'stats'>;
}

/** The counters of all connections to an endpoint together. */
export class ConnectionTotals {
  /** Connections, those included that were never answered. */
  connections = 0;
  readonly link: LinkStats = new LinkStats();
  readonly host: HostStats = new HostStats();
  readonly initiator: InitiatorStats = new InitiatorStats();

  /** Adds the counters of a connection. */
  add({ link, host, initiator }: CountedConnection): void {
    this.connections++;
    addCounters(this.link, link.stats);
    addCounters(this.host, host.stats);
    addCounters(this.initiator, initiator.stats);
  }

  /** These and those of one connection more; a new object. */
  plus(connection: CountedConnection): ConnectionTotals {
    const sum = new ConnectionTotals();
    sum.add({
      link: { stats: this.link },
      host: { stats: this.host },
      initiator: { stats: this.initiator },
    });
    sum.connections = this.connections;
    sum.add(connection);
    return sum;
  }
}
