import { loadBinding } from '../src/load-binding.ts';
import type { BindingRig } from './binding-contract.ts';
import { loopTurn } from './frame-exchange.ts';
import * as network from './private-network.ts';

let rigs = 0;

/** A veth pair of its own for each test. */
export function makeVethRig(): BindingRig {
  const id = rigs++;
  const left = `oxl${id}`;
  const right = `oxr${id}`;
  network.addVethPair(left, right, 1500);
  return {
    binding: loadBinding(),
    left,
    right,
    setUp: (name, isUp) => network.ip('link', 'set', name, isUp ? 'up' : 'down'),
    setMtu(mtuBytes) {
      for (const name of [left, right]) network.ip('link', 'set', name, 'mtu', `${mtuBytes}`);
    },
    remove: network.removeInterface,
    clog(kind) {
      // 25 MB/s behind either a queue that is longer than the socket's buffer, or a short one.
      const queue = kind === 'socket-full' ? ['latency', '1s'] : ['limit', '40000'];
      const shape = ['tbf', 'rate', '200mbit', 'burst', '16k', ...queue];
      network.tc('qdisc', 'add', 'dev', left, 'root', ...shape);
    },
    async settle() {
      const end = performance.now() + 30;
      while (performance.now() < end) await loopTurn();
    },
    dispose: () => network.removeInterface(left),
  };
}
