import { MockProcess } from '../src/mock/index.ts';
import { processContract } from './process-contract.ts';

let names = 0;

processContract('mock', async () => {
  const native = new MockProcess();
  return {
    native,
    freeAddress: (kind) => `${kind === 'path' ? '/' : '@'}mock-${names++}`,
    receive: async (address) => {
      const queue: string[] = [];
      native.receivers.set(address, queue);
      return async () => queue.shift() ?? 'nothing';
    },
    dispose: async () => undefined,
  };
});
