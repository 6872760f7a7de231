import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { attachDevice, devicePath, isHeld, thisMachine } from '../src/index.ts';
import { bindingContract } from './binding-contract.ts';
import { freeDeviceIndex, obstacle } from './kernel-requirements.ts';
import { MemoryServer } from './memory-server.ts';
import { makeNativeRig } from './native-rig.ts';

const reason = obstacle('addon', 'nbd');
const SIZE_BYTES = 4 * 1024 * 1024;

describe.skipIf(reason !== undefined)('kernel devices', () => {
  bindingContract('native', ['netlink', 'ioctl'], makeNativeRig);

  test('with ioctl the thread in the kernel has blocked every signal that can be blocked', async () => {
    const server = new MemoryServer(SIZE_BYTES);
    const device = await attach('ioctl', server);
    const thread = device.facts().attachedPid as number;
    expect(thread).not.toBe(process.pid);
    const status = readFileSync(`/proc/${process.pid}/task/${thread}/status`, 'utf8');
    const blocked = BigInt(`0x${/^SigBlk:\s*(\w+)$/m.exec(status)?.[1] ?? '0'}`);
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGCHLD', 'SIGCONT'] as const) {
      expect((blocked >> BigInt(constants.signals[name] - 1)) & 1n, name).toBe(1n);
    }
    process.kill(process.pid, 'SIGCONT');
    await rigRead(device.path);
    await device.detach();
  });

  test('refuses another program’s device by ioctl without touching it', async () => {
    const device = await attach('netlink', new MemoryServer(SIZE_BYTES));
    const node = thisMachine().binding.openDevice(device.path);
    const stream = thisMachine().binding.createStream({
      bufferBytes: 65536,
      slab: new Uint8Array(4096),
      counters: new Float64Array(5),
    });
    expect(() => node.setSocket(stream.kernelFd())).toThrow(/NBD_SET_SOCK/);
    expect(() => node.clearSocket()).toThrow(/no socket of ours/);
    node.close();
    stream.close();
    await rigRead(device.path);
    await device.detach();
  });

  test('20 attachments leave no descriptor and no thread behind', async () => {
    for (const way of ['netlink', 'ioctl'] as const) {
      await (await attach(way, new MemoryServer(SIZE_BYTES))).detach();
      const before = await settledResources();
      for (let i = 0; i < 10; i++) {
        await (await attach(way, new MemoryServer(SIZE_BYTES))).detach();
      }
      // A thread of ours tells its end a moment before it is gone, and its descriptor with it.
      await expect.poll(resources, { timeout: 20_000 }).toEqual(before);
    }
  });

  for (const way of ['netlink', 'ioctl'] as const) {
    test(`a filesystem lives through a detachment, and a mount is named as the holder (${way})`, async () => {
      const server = new MemoryServer(32 * 1024 * 1024);
      const device = await attach(way, server);
      const folder = mkdtempSync(join(tmpdir(), 'nbd-kernel-'));
      await run('mkfs.ext4', '-q', device.path);
      await run('mount', device.path, folder);
      await run('dd', 'if=/dev/urandom', `of=${folder}/file`, 'bs=64k', 'count=64');
      const sum = await run('sha256sum', `${folder}/file`);
      expect(device.facts().mounts).toEqual([{ source: device.path, target: folder }]);
      expect(isHeld(device.facts())).toBe(true);
      await run('umount', folder);
      expect(await device.detach()).toMatchObject({ isReleased: true, isFlushed: true });

      const again = await attach(way, server);
      await run('fsck.ext4', '-f', '-n', again.path);
      await run('mount', '-o', 'ro', again.path, folder);
      expect(await run('sha256sum', `${folder}/file`)).toBe(sum);
      await run('umount', folder);
      await again.detach();
      rmSync(folder, { recursive: true });
    });

    test(`partitions are there as soon as the device is reported usable (${way})`, async () => {
      const server = new MemoryServer(32 * 1024 * 1024);
      const device = await attach(way, server);
      const table = 'label: gpt\\nsize=8M\\nsize=8M\\n,\\n';
      await run('sh', '-c', `printf '${table}' | sfdisk -q --no-reread ${device.path}`);
      await device.detach();
      const again = await attach(way, server);
      const name = `nbd${again.index}`;
      expect(again.facts().partitions).toEqual([`${name}p1`, `${name}p2`, `${name}p3`]);
      await again.detach();
    });
  }

  test('reports its devices by STATUS', async () => {
    const device = await attach('netlink', new MemoryServer(SIZE_BYTES));
    const status = await thisMachine().binding.netlinkStatus(undefined);
    expect(status).toContainEqual({ index: device.index, isConnected: true });
    expect(status.length).toBeGreaterThan(1);
    await device.detach();
  });

  test('tells what is missing without the capability', () => {
    const result = spawnSync(
      'setpriv',
      ['--bounding-set=-sys_admin', '--inh-caps=-sys_admin', process.execPath, '-e', PROBE].concat(
        ADDON,
      ),
      { encoding: 'utf8' },
    );
    expect(JSON.parse(result.stdout)).toEqual({ syscall: 'NBD_CMD_CONNECT', errno: 1 });
  });
});

const ADDON = [new URL('../build/Release/nbd_kernel.node', import.meta.url).pathname];
const PROBE = `
const binding = require(process.argv[1]);
binding.netlinkConnect({ sizeBytes: 4096, sockets: [0] }).catch(({ syscall, errno }) =>
  console.log(JSON.stringify({ syscall, errno })));
`;

function attach(way: 'netlink' | 'ioctl', server: MemoryServer) {
  return attachDevice({
    device: devicePath(freeDeviceIndex() as number),
    attach: way,
    sizeBytes: server.backend.sizeBytes,
    flags: server.flags,
    onStream: server.onStream,
  });
}

/** @returns what the program says; the event loop goes on meanwhile */
async function run(program: string, ...args: string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${errors}`);
  return output;
}

async function rigRead(path: string): Promise<void> {
  const rig = thisMachine().binding;
  await rig.scanNode(path);
  await rig.flushNode(path);
}

/** When nothing has come or gone for a while. */
async function settledResources(): Promise<ReturnType<typeof resources>> {
  let seen = resources();
  for (let same = 0; same < 5; same++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const now = resources();
    if (now.descriptors !== seen.descriptors || now.threads !== seen.threads) same = 0;
    seen = now;
  }
  return seen;
}

function resources(): { descriptors: number; threads: number } {
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
  };
}
