import type { Micros } from '../units.ts';
import type { MessageView } from '../wire/frame-view.ts';

/** Takes the TileLink messages that a link receives, in order, each exactly once. */
export interface MessageReceiver {
  /**
   * Whether one more frame of up to 64 messages can be taken now. If not, the frame counts as not
   * arrived and the peer sends it again: back-pressure below the credits.
   */
  hasRoom(): boolean;
  /**
   * One message. `message` and the bytes it points to are valid until the call returns.
   * `Link.reserve` may be called from here; no other method that changes the link.
   *
   * @returns whether the message has left the receive buffer, so that its credits go back now;
   *          otherwise the receiver calls `Link.returnCredits` later
   */
  onMessage(now: Micros, message: MessageView): boolean;
  /** The peer opened anew: whatever is left of the connection before is void. */
  onRestart(): void;
}
