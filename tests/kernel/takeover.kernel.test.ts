/** A driver that dies or is replaced while a filesystem on its device is in use. */
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { runProgram } from '../lab-program.ts';
import { driverCommand } from '../oxmem-lab.ts';
import { describeRequiring } from '../requires.ts';
import { DeviceLab, deviceNeeds, endInGoodOrder } from './device-lab.ts';
import type { EndpointPlace } from './device-lab.ts';
import {
  expectFilesIntact,
  expectFreeAgain,
  mountFiles,
  startLoad,
  untilStuck,
} from './fault-checks.ts';
import { freeDevices, isAttached, PATIENCE_MS, runInTime } from './kernel-programs.ts';

/**
 * I/O waits long enough for a successor to start, by emulation. What was with a driver when it died
 * is sent again when the kernel's patience with it is over, which is 20 s then.
 */
const waiting = ['--restart-wait=10m', '--request-timeout=1s'];
const needs = [
  ...deviceNeeds,
  'command:nbdkit',
  'command:fio',
  'command:mkfs.ext4',
  'nbd-netlink',
] as const;

describeRequiring(needs, 'a device whose driver goes', () => {
  let rig: DeviceLab;
  let endpoint: EndpointPlace;
  let device = '';
  beforeAll(async () => {
    rig = await DeviceLab.open();
    endpoint = await rig.startEndpoint('32M');
    device = freeDevices(1)[0]!;
  });
  afterEach(async () => {
    await rig.release();
  });
  afterAll(async () => {
    await rig.close();
  });

  it('is taken over when the driver was killed under load, which notices nothing', async () => {
    const killed = await rig.serve({ device, args: waiting });
    const files = await mountFiles(rig, device);
    const { end } = await startLoad(rig, device, join(files.folder, 'load'));
    await rig.lab.crash(killed.program);
    expect(isAttached(device)).toBe(true);
    const next = await rig.serve({ device, args: ['--takeover', ...waiting] });
    await end;
    await runInTime('umount', files.folder);
    await expectFilesIntact(next, files);
    await rig.stop(next);
    await expectFreeAgain(device);
  });

  it('is handed to a new driver while the old one lives, and the load goes on', async () => {
    const first = await rig.serve({ device, args: waiting });
    const files = await mountFiles(rig, device);
    const { end } = await startLoad(rig, device, join(files.folder, 'load'));
    const next = await rig.serve({ device, args: ['--takeover', ...waiting] });
    await endInGoodOrder(first.program);
    await end;
    await runInTime('umount', files.folder);
    await expectFilesIntact(next, files);
    await rig.stop(next);
    await expectFreeAgain(device);
  });

  it('fails what waits, after the time agreed, when nobody comes', async () => {
    const { program } = await rig.serve({ device, args: ['--restart-wait=3s'] });
    await rig.lab.crash(program);
    const startedMs = performance.now();
    const write = ['dd', 'if=/dev/zero', `of=${device}`, 'bs=4k', 'count=1', 'oflag=direct'];
    const { code, stderr } = await runProgram(write, { timeoutMs: PATIENCE_MS });
    expect(stderr).toContain('Input/output error');
    expect(code).toBe(1);
    expect(performance.now() - startedMs).toBeLessThan(20_000);
    const detach = [...driverCommand, 'detach', device];
    const detached = await runProgram(detach, { timeoutMs: PATIENCE_MS });
    expect(detached.code, detached.stderr).toBe(0);
    await expectFreeAgain(device);
  });

  it('fails what waits when the endpoint has lost the memory meanwhile', async () => {
    // The last one: the endpoint is another one afterwards.
    const { program } = await rig.serve({ device, args: waiting });
    const { folder } = await mountFiles(rig, device);
    await runInTime('sync', '-f', folder);
    await rig.lab.crash(program);
    const reader = rig.lab.start(['dd', `if=${device}`, 'of=/dev/null', 'bs=4k', 'iflag=direct']);
    rig.lab.excuse(reader);
    await untilStuck('dd');
    await rig.lab.crash(endpoint.program);
    await rig.startEndpoint('32M');
    const next = rig.startDriver({ device, args: ['--takeover', ...waiting] });
    rig.lab.excuse(next);
    const refused = await next.waitForEnd(PATIENCE_MS);
    expect(refused.code, refused.stderr).toBe(1);
    expect(refused.stderr).toMatch(
      new RegExp(`^oxmem-bdev: ${device} is not taken over: nothing proves that .*\\.$`, 'm'),
    );
    expect(refused.stdout).not.toContain('ready');
    const { stderr } = await reader.waitForEnd(PATIENCE_MS);
    expect(stderr).toContain('Input/output error');
    await runInTime('umount', folder);
    await expectFreeAgain(device);
  });
});
