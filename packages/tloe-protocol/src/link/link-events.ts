import type { Micros } from '../units.ts';
import type { PeerProfile } from './peer-profile.ts';

/** What a link tells its owner. Rare; the data path does not pass here. */
export type LinkEvent =
  /**
   * The connection is up. `profile`: what is known of the peer; on the side that was opened it may
   * become more with the peer's next frame.
   */
  | { readonly type: 'opened'; readonly profile: PeerProfile }
  /** The peer opened anew without closing: everything before is forgotten. */
  | { readonly type: 'restarted' }
  /** The connection has ended. */
  | { readonly type: 'closed'; readonly how: 'confirmed' | 'unanswered' | 'byPeer' | 'unopened' }
  /** Nothing that we sent was acknowledged for `silentMicros`; retransmission goes on. */
  | { readonly type: 'lost'; readonly silentMicros: Micros }
  /** Acknowledged again after `lost`: the peer still holds the connection. */
  | { readonly type: 'recovered' };
