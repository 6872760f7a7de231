/**
 * THE state table of the way to an endpoint: state × event → next state. A pair that is not listed
 * does not happen. Once it is `closed`, nothing happens any more.
 */
export type EndpointState =
  /** The first connection is not open yet. */
  | 'unopened'
  /** Requests are served. */
  | 'serving'
  /** The endpoint is silent; the connection is tried on, for a while or for good. */
  | 'lost'
  /** The old connection is given up. Nothing is sent, until nothing of it can arrive any more. */
  | 'quiet'
  /** A new connection is being opened. */
  | 'opening'
  /** It is open, and the endpoint has to show that it holds what was written. */
  | 'proving'
  /** It does not. The connection is kept, and the endpoint is asked again now and then. */
  | 'doubtful'
  /** The endpoint has closed the connection, and a new one could not be trusted. */
  | 'stranded'
  /** By us, or because the transport has failed. */
  | 'closed';

export type EndpointTransition =
  /** The endpoint has opened the connection. */
  | 'opened'
  /** Nothing was acknowledged for as long as requests are given. */
  | 'silent'
  /** It acknowledges again, so it holds the connection. */
  | 'answered'
  /** The connection is over, or is given up, and there may be another one. */
  | 'givenUp'
  /** The connection is over, and there may be no other one. */
  | 'refused'
  /** Time is up. */
  | 'timePassed'
  /** What was compared is as it was. */
  | 'proven'
  /** It is not. */
  | 'disproved';

type Row = Readonly<Partial<Record<EndpointTransition, EndpointState>>>;

export const ENDPOINT_STATES: Readonly<Record<EndpointState, Row>> = {
  unopened: { opened: 'serving' },
  serving: { silent: 'lost', givenUp: 'quiet', refused: 'stranded' },
  lost: { answered: 'serving', givenUp: 'quiet', refused: 'stranded' },
  quiet: { timePassed: 'opening' },
  opening: { opened: 'proving', givenUp: 'quiet' },
  proving: { proven: 'serving', disproved: 'doubtful', givenUp: 'quiet' },
  doubtful: { timePassed: 'proving', givenUp: 'quiet' },
  stranded: {},
  closed: {},
};

/** The state after `transition`, or undefined if the table has no such pair. */
export function nextEndpointState(
  state: EndpointState,
  transition: EndpointTransition,
): EndpointState | undefined {
  return ENDPOINT_STATES[state][transition];
}

/** Whether requests go to the connection as it is, be its peer silent for the moment. */
export function hasConnection(state: EndpointState): boolean {
  return state === 'serving' || state === 'lost' || state === 'unopened';
}
