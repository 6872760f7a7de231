import { describeBlockBackend } from '@oxmem/nbd-protocol/testing';

import { VirtualDevice } from './virtual-device.ts';

async function fixture(faults: readonly string[]) {
  const rig = new VirtualDevice({ sizeBytes: 2 ** 23, faults, seed: 3 });
  await rig.open();
  return {
    backend: rig.device,
    advance: () => rig.clock.advanceBy(1_000),
    close: () => rig.endpoint.close(),
  };
}

describeBlockBackend('remote memory', () => fixture([]));
describeBlockBackend('remote memory over a bad network', () =>
  fixture(['loss=2%', 'dup=2%', 'reorder=2%', 'delay=50us']),
);
