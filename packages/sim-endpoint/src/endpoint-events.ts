import type { Micros } from '@oxmem/tloe-protocol';

/** What an endpoint tells its owner. Rare; the data path does not pass here. */
export type EndpointEvent =
  /** An initiator opened a connection. `mac`: its address, 6 bytes, here and below. */
  | { readonly type: 'opened'; readonly mac: Uint8Array }
  /** It opened anew without closing: it was restarted, and what it had asked for is forgotten. */
  | { readonly type: 'restarted'; readonly mac: Uint8Array }
  /** It closed its connection. */
  | { readonly type: 'closed'; readonly mac: Uint8Array }
  /** It acknowledged nothing for `silentMicros`; its connection is kept. */
  | { readonly type: 'lost'; readonly mac: Uint8Array; readonly silentMicros: Micros }
  /** It acknowledges again after `lost`. */
  | { readonly type: 'recovered'; readonly mac: Uint8Array }
  /** Its connection, closed or long silent, was given up for another initiator. */
  | { readonly type: 'reclaimed'; readonly mac: Uint8Array }
  /**
   * It may not open a connection: there are too many. Told once a second at most, with the number
   * of frames dropped for this reason so far.
   */
  | { readonly type: 'refused'; readonly mac: Uint8Array; readonly framesRefused: number }
  /** The transport has failed; the endpoint is closed. */
  | { readonly type: 'failed'; readonly error: Error };

/** Takes what an endpoint tells. Must not throw. */
export type EndpointListener = (event: EndpointEvent) => void;
