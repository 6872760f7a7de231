import { describeTransportContract } from '@oxmem/tloe-protocol/testing/transport-contract';
import { describe } from 'vitest';
import { obstacleToNativeTests } from './private-network.ts';
import { narrowTransportPair, transportPair } from './transport-pair.ts';
import { makeVethRig } from './veth-rig.ts';

describe.skipIf(obstacleToNativeTests() !== undefined)('on a veth pair', () => {
  describeTransportContract('RawSocket', () => transportPair(makeVethRig), {
    makeNarrowPair: () => narrowTransportPair(makeVethRig),
  });
});
