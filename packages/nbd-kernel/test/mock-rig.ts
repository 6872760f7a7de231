import { MockKernel } from '../src/mock/index.ts';
import type { KernelRig } from './binding-contract.ts';

/** A kernel of its own for each test. */
export async function makeMockRig(): Promise<KernelRig> {
  const kernel = new MockKernel();
  const device = kernel.device(1);
  return {
    machine: kernel.machine,
    index: device.index,
    ways: ['netlink', 'ioctl'],
    read: (offset, length) => device.read(offset, length),
    write: async (offset, bytes) => void (await device.write(offset, bytes)),
    hold: async () => {
      const release = device.open({ pid: 4711, command: 'udev-worker' });
      return async () => release();
    },
    settle: async () => undefined,
    disconnectElsewhere: async () => device.disconnectNow(),
    dispose: async () => undefined,
  };
}
