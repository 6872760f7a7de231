/**
 * Life of a connection:
 *
 * - `handshake`: the client negotiates.
 * - `transmission`: requests are taken and answered.
 * - `draining`: no more requests are taken; what is open is answered and sent.
 * - `closed`: the byte stream is over; requests may still be with the backend.
 * - `released`: nothing is left.
 */
export type ConnectionState = 'handshake' | 'transmission' | 'draining' | 'closed' | 'released';

/** What moves a connection on. */
export type ConnectionEvent =
  /** The client has chosen an export. */
  | 'negotiated'
  /** DISC, OPT_ABORT, the end of the input or `shutdown`: an end in good order begins. */
  | 'endBegan'
  /** Everything open has been answered and sent. */
  | 'drained'
  /** A violation, a failure or `abort`: the end comes at once. */
  | 'broke'
  /** The backend has given back the last request. */
  | 'returned';

/** Every transition there is. An event that a state does not list is impossible in it. */
export const CONNECTION_TRANSITIONS: Readonly<
  Record<ConnectionState, Readonly<Partial<Record<ConnectionEvent, ConnectionState>>>>
> = {
  handshake: { negotiated: 'transmission', endBegan: 'draining', broke: 'closed' },
  transmission: { endBegan: 'draining', broke: 'closed' },
  draining: { drained: 'closed', broke: 'closed' },
  closed: { returned: 'released' },
  released: {},
};
