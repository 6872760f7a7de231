import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { devicePath, thisMachine } from '../src/index.ts';
import type { KernelRig } from './binding-contract.ts';
import { freeDeviceIndex } from './kernel-requirements.ts';

/**
 * The kernel of this machine. All that is done to the device is done without blocking the event
 * loop: the server behind it runs here, too.
 */
export async function makeNativeRig(): Promise<KernelRig> {
  const index = freeDeviceIndex();
  if (index === undefined) throw new Error('there is no free NBD device');
  const path = devicePath(index);
  const machine = thisMachine();
  let forgetting: Promise<void> | undefined = undefined;
  return {
    machine,
    index,
    ways: ['netlink', 'ioctl'],
    async read(offset, length) {
      // One for all reads that begin together: a program takes its time to start.
      forgetting ??= run('blockdev', '--flushbufs', path).finally(() => (forgetting = undefined));
      await forgetting;
      const file = await open(path, 'r');
      try {
        const bytes = new Uint8Array(length);
        await file.read(bytes, 0, length, offset);
        return bytes;
      } finally {
        await file.close();
      }
    },
    async write(offset, bytes) {
      const file = await open(path, constants.O_WRONLY | constants.O_SYNC);
      try {
        await file.write(bytes, 0, bytes.length, offset);
      } finally {
        await file.close();
      }
    },
    async hold() {
      const holder = spawn('sh', ['-c', `exec 3<${path}; echo held; cat >/dev/null`], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      await once(holder.stdout, 'data');
      return async () => {
        holder.stdin.end();
        await once(holder, 'exit');
      };
    },
    settle: () => (hasUdev() ? run('udevadm', 'settle', '--timeout=60') : Promise.resolve()),
    disconnectElsewhere: () => machine.binding.netlinkDisconnect(index),
    dispose: async () => undefined,
  };
}

/** It reads every device that changes. */
function hasUdev(): boolean {
  return existsSync('/run/udev/control');
}

async function run(program: string, ...args: string[]): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number];
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}`);
}
