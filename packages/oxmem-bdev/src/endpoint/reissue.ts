import { DEFAULT_REISSUE_POLICY, type ReissuePolicy } from '@oxmem/tloe-protocol';

import type { Options } from '../cli/options.ts';

/** When accesses are sent again and given up, as the options have it. */
export function reissuePolicy(
  options: Pick<Options, 'requestTimeout' | 'endpointLost'>,
): ReissuePolicy {
  return {
    ...DEFAULT_REISSUE_POLICY,
    requestTimeoutMicros: options.requestTimeout,
    whenLost: options.endpointLost,
  };
}
