import type { Micros } from '../units.ts';

/** What a link tells its owner. Rare; the data path does not pass here. */
export type LinkEvent =
  /**
   * The connection is up. `grants` holds the credit exponents the peer gave for channels A .. E in
   * its opening frames (index = channel number, -1: none), empty on the side that was opened: what
   * tells peers apart.
   */
  | { readonly type: 'opened'; readonly grants: readonly number[] }
  /** The peer opened anew without closing: everything before is forgotten. */
  | { readonly type: 'restarted' }
  /** The connection has ended. */
  | { readonly type: 'closed'; readonly how: 'confirmed' | 'unanswered' | 'byPeer' | 'unopened' }
  /** Nothing that we sent was acknowledged for `silentMicros`; retransmission goes on. */
  | { readonly type: 'lost'; readonly silentMicros: Micros }
  /** Acknowledged again after `lost`: the peer still holds the connection. */
  | { readonly type: 'recovered' };
