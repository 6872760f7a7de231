import { MockNetwork } from '../src/mock/index.ts';
import type { BindingRig } from './binding-contract.ts';
import { loopTurn } from './frame-exchange.ts';

/** Two interfaces of a mock network, as a veth pair would be. */
export function makeMockRig(): BindingRig {
  const network = new MockNetwork();
  const ends = new Map([
    ['mock0', network.addInterface({ name: 'mock0' })],
    ['mock1', network.addInterface({ name: 'mock1' })],
  ]);
  return {
    binding: network.binding,
    left: 'mock0',
    right: 'mock1',
    setUp(name, isUp) {
      ends.get(name)?.setUp(isUp);
      for (const [other, end] of ends) if (other !== name) end.setCarrier(isUp);
    },
    setMtu(mtuBytes) {
      for (const end of ends.values()) end.mtuBytes = mtuBytes;
    },
    remove: (name) => network.removeInterface(name),
    clog(kind) {
      const left = ends.get('mock0');
      if (kind === 'device-full') left?.setDeviceFull(true);
      else left?.limitSends(30);
      void turns(10).then(() => {
        left?.setDeviceFull(false);
        left?.drainSends();
      });
    },
    settle: () => turns(20),
    dispose: () => undefined,
  };
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await loopTurn();
}
