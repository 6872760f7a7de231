import { REJECT_REASON_NAMES } from '../wire/reject-reason.ts';

/** Plain integer counters of one link, written by the data path and read by whoever reports. */
export class LinkStats {
  framesSent = 0;
  framesReceived = 0;
  messagesSent = 0;
  messagesReceived = 0;
  /** AckOnly frames sent, of which `naksSent` said NAK. */
  ackOnlySent = 0;
  naksSent = 0;
  ackOnlyReceived = 0;
  naksReceived = 0;
  /** Frames sent again. */
  framesResent = 0;
  /** Time-outs that started a resend. */
  retransmitTimeouts = 0;
  /** Frames sent again alone because nothing was heard for a moment. */
  probes = 0;
  /** Received a second time and dropped. */
  duplicates = 0;
  /** Received ahead of the expected number. */
  outOfOrder = 0;
  /** Numbers given up because the peer never resends. */
  skipped = 0;
  /** Not accepted because the receiver had no room; the peer sends them again. */
  receiverFull = 0;
  /** Acknowledgements of frames never sent. */
  bogusAcks = 0;
  /** Times that credits had to be restored because the peer did not return them. */
  creditsRestored = 0;
  /** Frames sent that only return credits. */
  creditFramesSent = 0;
  /** Dropped frames by reason, indexed by `RejectReason`. */
  readonly rejected: Float64Array = new Float64Array(REJECT_REASON_NAMES.length);
}
