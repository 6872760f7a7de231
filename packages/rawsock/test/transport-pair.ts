import type { TransportPair } from '@oxmem/tloe-protocol/testing/transport-contract';
import { RawSocket } from '../src/index.ts';
import type { RawSocketOptions } from '../src/index.ts';
import type { BindingRig } from './binding-contract.ts';
import { ETHER_TYPE, until } from './frame-exchange.ts';

/** Two sockets on a rig's cable, for tloe-protocol's suite of what a FrameTransport does. */
export function transportPair(makeRig: () => BindingRig): Promise<TransportPair> {
  return Promise.resolve(openPair(makeRig(), {}));
}

/** The same, with a left end that takes fewer frames than the suite sends. */
export function narrowTransportPair(makeRig: () => BindingRig): Promise<TransportPair> {
  const rig = makeRig();
  rig.clog('socket-full');
  return Promise.resolve(openPair(rig, { bypassQdisc: false, sendBufferBytes: 32 * 1024 }));
}

function openPair(rig: BindingRig, leftOptions: Partial<RawSocketOptions>): TransportPair {
  const etherType = ETHER_TYPE;
  const left = { interfaceName: rig.left, etherType, ...leftOptions };
  const a = RawSocket.open(left, rig.binding);
  const b = RawSocket.open({ interfaceName: rig.right, etherType }, rig.binding);
  return {
    a,
    b,
    until: (isReached) => until('what the suite expects', isReached),
    quiet: () => rig.settle(),
    dispose: () => {
      a.close();
      b.close();
      rig.dispose();
      return Promise.resolve();
    },
  };
}
