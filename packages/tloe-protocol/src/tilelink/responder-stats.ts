/** Plain integer counters of a responder. */
export class ResponderStats {
  gets = 0;
  puts = 0;
  atomics = 0;
  others = 0;
  bytesRead = 0;
  bytesWritten = 0;
  denied = 0;
  /** Most answers that waited for credits at once. */
  answersWaitingPeak = 0;
  /** Messages on channels that a responder does not serve. */
  unexpected = 0;
}
