import { AckPolicy } from './ack-policy.ts';
import type { LinkConfig } from './link-config.ts';
import { LinkStats } from './link-stats.ts';
import type { PeerProfile } from './peer-profile.ts';
import { ReceiveOrder } from './receive-order.ts';
import { Timers } from './timers.ts';

/** What the halves of one link share. */
export interface LinkParts {
  readonly config: LinkConfig;
  readonly stats: LinkStats;
  readonly timers: Timers;
  readonly order: ReceiveOrder;
  readonly acks: AckPolicy;
  /** Habits of the peer, as far as it is known. */
  profile: PeerProfile;
}

/** The parts of a new link. */
export function linkParts(config: LinkConfig): LinkParts {
  const timers = new Timers();
  return {
    config,
    stats: new LinkStats(),
    timers,
    order: new ReceiveOrder(config.firstSequenceNumber),
    acks: new AckPolicy(timers),
    profile: config.profile,
  };
}
