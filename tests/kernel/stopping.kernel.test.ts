/** A driver that is told to stop: idle, while a filesystem on it is mounted, and told twice. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { describeRequiring } from '../requires.ts';
import { DeviceLab, deviceNeeds, endInGoodOrder } from './device-lab.ts';
import {
  expectFilesIntact,
  expectFreeAgain,
  mountFiles,
  recordsOf,
  startLoad,
  stuckProcesses,
} from './fault-checks.ts';
import { freeDevices, PATIENCE_MS, runInTime, until } from './kernel-programs.ts';
import { checksums, writeTree } from './workloads.ts';

/** Two seconds are promised for the device and the connection; the rest is emulation's. */
const HURRY_MS = 10_000;

const needs = [
  ...deviceNeeds,
  'command:nbdkit',
  'command:fio',
  'command:mkfs.ext4',
  'nbd-netlink',
] as const;

describeRequiring(needs, 'a driver that is told to stop', () => {
  let rig: DeviceLab;
  let device = '';
  beforeAll(async () => {
    rig = await DeviceLab.open();
    await rig.startEndpoint('32M');
    device = freeDevices(1)[0]!;
  });
  afterEach(async () => {
    await rig.release();
  });
  afterAll(async () => {
    await rig.close();
  });

  it('ends well ten times in a row, whatever signal it gets, and leaves nothing behind', async () => {
    // What the first one brings in for good is no leak: modules, folders.
    await rig.stop(await rig.serve({ device }));
    await expectFreeAgain(device);
    const before = kernelResources();
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
    for (let i = 0; i < 9; i++) {
      const args = i % 2 === 0 ? [] : ['--attach=ioctl'];
      await rig.stop(await rig.serve({ device, args }), signals[i % 3]);
      expect(recordsOf(device)).toEqual([]);
    }
    expect(kernelResources()).toEqual(before);
    await expectFreeAgain(device);
  });

  it('while a filesystem is mounted names it, serves on, and ends after the unmount', async () => {
    const driver = await rig.serve({ device });
    const { program, path } = driver;
    const files = await mountFiles(rig, path);
    program.kill('SIGTERM');
    const mounted = `${path} is mounted on ${files.folder}`;
    await program.waitFor('stderr', /stops as soon as nobody uses the device: .*$/m, PATIENCE_MS);
    expect(program.stderr).toContain(mounted);
    await runInTime('dd', `if=${path}`, 'of=/dev/null', 'bs=64k', 'count=4', 'iflag=direct');
    // Written to the page cache only: the unmount brings it to the device.
    writeTree(join(files.folder, 'late'));
    const late = checksums(join(files.folder, 'late'));
    expect(program.end).toBeUndefined();
    await runInTime('umount', files.folder);
    await endInGoodOrder(program);
    await expectFreeAgain(device);

    const next = await rig.serve({ device });
    await expectFilesIntact(next, files);
    await runInTime('mount', '-o', 'ro', next.path, files.folder);
    expect(checksums(join(files.folder, 'late'))).toEqual(late);
    await runInTime('umount', files.folder);
    await rig.stop(next);
  });

  it('twice while a filesystem is mounted takes the device away at once', async () => {
    const { program, path } = await rig.serve({ device });
    const { folder } = await mountFiles(rig, path);
    const { end } = await startLoad(rig, path, join(folder, 'load'));
    program.kill('SIGTERM');
    await program.waitFor('stderr', /a second signal stops it at once/, PATIENCE_MS);
    const askedMs = performance.now();
    program.kill('SIGTERM');
    const { code } = await program.waitForEnd(PATIENCE_MS);
    expect(performance.now() - askedMs).toBeLessThan(HURRY_MS);
    expect(code, program.stderr).toBe(1);
    expect(recordsOf(path)).toEqual([]);
    await expect(end).rejects.toThrow(/Input\/output error|Read-only file system/);
    await until('nobody is stuck', () => stuckProcesses().length === 0);
    await runInTime('umount', folder);
    await expectFreeAgain(device);
  });
});

/** What a driver that leaves something behind in the kernel leaves it in. */
function kernelResources(): Record<string, unknown> {
  const threads = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return {
    users: readFileSync('/sys/module/nbd/refcnt', 'utf8').trim(),
    devices: readdirSync('/sys/block').toSorted(),
    threads: threads
      .map(commandOf)
      .filter((name) => /nbd/.test(name))
      .toSorted(),
    sockets: readFileSync('/proc/net/unix', 'utf8').split('\n').length,
    packetSockets: readFileSync('/proc/net/packet', 'utf8').split('\n').length,
    files: readdirSync('/run').toSorted(),
  };
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}
