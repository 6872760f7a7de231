/** Attached and detached again and again: nothing is left over, here or in the kernel. */
import { readFileSync, readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { attachDevice, devicePath } from '../src/index.ts';
import type { AttachWay } from '../src/index.ts';
import { freeDeviceIndex, obstacle } from './kernel-requirements.ts';
import { MemoryServer } from './memory-server.ts';

const reason = obstacle('addon', 'nbd');
const SIZE_BYTES = 2 ** 20;
const WARM_UP = 10;
const CYCLES = 100;
/** One stream has buffers of megabytes: a leak of a hundred of them is far above this. */
const MOST_GROWTH_BYTES = 48 * 2 ** 20;

describe.skipIf(reason !== undefined)('200 attachments', () => {
  test.each(['netlink', 'ioctl'] as const)(
    `leave nothing behind, a hundred of them by %s`,
    async (way) => {
      const index = freeDeviceIndex() as number;
      await cycle(way, index, WARM_UP);
      const before = await settled();
      const rssBefore = residentBytes();
      await cycle(way, index, CYCLES);
      await expect.poll(() => leftOver(before), { timeout: 20_000 }).toEqual([]);
      expect(residentBytes() - rssBefore).toBeLessThan(MOST_GROWTH_BYTES);
    },
  );
});

async function cycle(way: AttachWay, index: number, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const server = new MemoryServer(SIZE_BYTES);
    const device = await attachDevice({
      device: devicePath(index),
      attach: way,
      sizeBytes: SIZE_BYTES,
      flags: server.flags,
      onStream: server.onStream,
    });
    const { isReleased } = await device.detach();
    expect(isReleased, `cycle ${i}`).toBe(true);
  }
}

/** What an attachment needs, and has to give back. */
function resources(): Record<string, unknown> {
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    sockets: lines('/proc/net/unix').length,
    moduleUsers: readFileSync('/sys/module/nbd/refcnt', 'utf8').trim(),
    devices: readdirSync('/sys/block').toSorted(),
    attached: readdirSync('/sys/block').filter((name) =>
      readdirSync(`/sys/block/${name}`).includes('pid'),
    ),
  };
}

/** What there is more of now, or what is another. Less is not left over: vitest lets go of files, too. */
function leftOver(before: Record<string, unknown>): string[] {
  const isLeft = (value: unknown, former: unknown): boolean =>
    typeof value === 'number'
      ? value > Number(former)
      : JSON.stringify(value) !== JSON.stringify(former);
  return Object.entries(resources())
    .filter(([name, value]) => isLeft(value, before[name]))
    .map(([name, value]) => `${name}: ${String(before[name])}, then ${String(value)}`);
}

/** The same, when two looks have seen the same. */
async function settled(): Promise<Record<string, unknown>> {
  let last = resources();
  await expect
    .poll(
      () => {
        const text = JSON.stringify(last);
        last = resources();
        return JSON.stringify(last) === text;
      },
      { timeout: 20_000, interval: 200 },
    )
    .toBe(true);
  return last;
}

/** Of this process, once the garbage is collected. */
function residentBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  return process.memoryUsage().rss;
}

function lines(path: string): string[] {
  return readFileSync(path, 'utf8').trim().split('\n');
}
