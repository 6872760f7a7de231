import { SECOND, type Micros } from '../units.ts';

/** When an unanswered access is sent again, when its request fails, and what a lost link means. */
export interface ReissuePolicy {
  /** An access that the link has delivered and that is unanswered for so long is sent again. */
  readonly requestTimeoutMicros: Micros;
  /** How often; then, and after `requestTimeoutMicros` times this without progress, it fails. */
  readonly reissues: number;
  /** Requests to a lost endpoint fail at once, or wait until it is back with its connection. */
  readonly whenLost: 'fail' | 'wait';
}

/** Asks again five times, a second apart, and fails while the peer is lost. */
export const DEFAULT_REISSUE_POLICY: ReissuePolicy = {
  requestTimeoutMicros: SECOND,
  reissues: 5,
  whenLost: 'fail',
};

/**
 * The same policy for a peer whose requests are to be repeated sooner: more often, so that they fail
 * no sooner.
 */
export function reissueOf(policy: ReissuePolicy, mostMicros: Micros): ReissuePolicy {
  if (policy.requestTimeoutMicros <= mostMicros) return policy;
  const reissues = Math.ceil(requestBudgetMicros(policy) / mostMicros);
  return { ...policy, requestTimeoutMicros: mostMicros, reissues };
}

/** A request to which nothing happened for so long fails. */
export function requestBudgetMicros(policy: ReissuePolicy): Micros {
  return policy.requestTimeoutMicros * policy.reissues;
}

/** The same, counted at the looks: rather a little early than later than promised. */
export function giveUpAfterMicros(policy: ReissuePolicy): Micros {
  return requestBudgetMicros(policy) - scanIntervalMicros(policy);
}

/** How often requests are looked at. */
export function scanIntervalMicros(policy: ReissuePolicy): Micros {
  return Math.ceil(policy.requestTimeoutMicros / 4);
}
