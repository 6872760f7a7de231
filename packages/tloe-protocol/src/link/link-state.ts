/**
 * THE state table of a link: state × event → next state. Nothing else decides a transition.
 * A pair that is not listed is illegal for a call of ours (assertion) and ignored for something
 * that the peer did.
 *
 * OmniXtend 1.0.3 knows no opening and no closing; both come from the 1.1 proposal.
 */
export type LinkState = 'idle' | 'opening' | 'open' | 'closing' | 'closed';

/** What can change the state of a link. */
export type LinkTransition =
  /** We were asked to open the connection. */
  | 'openCalled'
  /** The peer's Open arrived with number 0. */
  | 'openReceived'
  /** All our opening frames are acknowledged and the peer has granted credits. */
  | 'openConfirmed'
  /** We were asked to close. */
  | 'closeCalled'
  /** The peer's Close arrived in order. */
  | 'closeReceived'
  /** Our Close is acknowledged. */
  | 'closeConfirmed'
  /** Nothing was heard of our Close in time. */
  | 'closeTimedOut';

type Row = Readonly<Partial<Record<LinkTransition, LinkState>>>;

/** The state that follows, by state and event; a pair that is not here has none. */
export const LINK_STATES: Readonly<Record<LinkState, Row>> = {
  idle: { openCalled: 'opening', openReceived: 'open', closeCalled: 'closed' },
  opening: { openConfirmed: 'open', closeCalled: 'closed', closeReceived: 'closed' },
  open: { openReceived: 'open', closeCalled: 'closing', closeReceived: 'closing' },
  closing: {
    openReceived: 'open',
    closeReceived: 'closed',
    closeConfirmed: 'closed',
    closeTimedOut: 'closed',
  },
  closed: { openReceived: 'open', closeCalled: 'closed' },
};

/** The state after `transition`, or undefined if the table has no such pair. */
export function nextLinkState(state: LinkState, transition: LinkTransition): LinkState | undefined {
  return LINK_STATES[state][transition];
}
