import { describeTransportContract } from '@oxmem/tloe-protocol/testing/transport-contract';
import { makeMockRig } from './mock-rig.ts';
import { narrowTransportPair, transportPair } from './transport-pair.ts';

describeTransportContract('RawSocket on the mock', () => transportPair(makeMockRig), {
  makeNarrowPair: () => narrowTransportPair(makeMockRig),
});
