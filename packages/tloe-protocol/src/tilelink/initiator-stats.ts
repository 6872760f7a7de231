/** Plain integer counters of an initiator. */
export class InitiatorStats {
  requestsCompleted = 0;
  requestsFailed = 0;
  accessesIssued = 0;
  accessesReissued = 0;
  bytesRead = 0;
  bytesWritten = 0;
  /** Answers whose source matches nothing: late, repeated or invented. */
  unknownSources = 0;
  /** Answers of the wrong kind or size for their source. */
  malformedAnswers = 0;
  deniedAnswers = 0;
  corruptAnswers = 0;
  /** Probes answered with "holds nothing". */
  probesAnswered = 0;
  /** Requests that had to wait for an overlapping one. */
  lockWaits = 0;
}
