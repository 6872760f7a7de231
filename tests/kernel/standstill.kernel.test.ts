/** A driver or an endpoint that stands still under load: for a while, for too long, for good. */
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { describeRequiring } from '../requires.ts';
import { DeviceLab, deviceNeeds, endInGoodOrder } from './device-lab.ts';
import type { EndpointPlace } from './device-lab.ts';
import {
  expectFilesIntact,
  expectFreeAgain,
  mountFiles,
  pause,
  seeProgress,
  seeStandstill,
  startLoad,
  stuckProcesses,
  untilStuck,
} from './fault-checks.ts';
import { freeDevices, PATIENCE_MS, runInTime, until } from './kernel-programs.ts';

/** Then I/O fails after 5 s, and the kernel is patient for 20 s. */
const quick = '--request-timeout=1s';
const PROMISED_MS = 5_000;
const KERNEL_PATIENCE_MS = 20_000;
/** For programs to notice, by emulation. */
const SLACK_MS = 10_000;

const needs = [
  ...deviceNeeds,
  'command:nbdkit',
  'command:fio',
  'command:mkfs.ext4',
  'nbd-netlink',
] as const;

describeRequiring(needs, 'a standstill under load', () => {
  let rig: DeviceLab;
  let endpoint: EndpointPlace;
  let device = '';
  beforeEach(async () => {
    rig ??= await DeviceLab.open();
    if (endpoint?.program.end !== undefined || endpoint === undefined) {
      endpoint = await rig.startEndpoint('32M');
    }
    device ||= freeDevices(1)[0]!;
  });
  afterEach(async () => {
    endpoint.program.kill('SIGCONT');
    await rig.release();
  });
  afterAll(async () => {
    await rig.close();
  });

  it('of the driver, shorter and longer than the kernel is patient, harms nothing', async () => {
    const driver = await rig.serve({ device, args: [quick] });
    const { program } = driver;
    const files = await mountFiles(rig, device);
    const { end } = await startLoad(rig, device, join(files.folder, 'load'));
    program.kill('SIGSTOP');
    await pause(2_000);
    program.kill('SIGCONT');
    await seeProgress(device);
    expect(program.stderr).not.toContain('was given a new connection');
    program.kill('SIGSTOP');
    await pause(KERNEL_PATIENCE_MS + 4_000);
    program.kill('SIGCONT');
    await program.waitFor('stderr', /was given a new connection/, PATIENCE_MS);
    await end;
    await runInTime('umount', files.folder);
    await expectFilesIntact(driver, files);
    await rig.stop(driver);
    await expectFreeAgain(device);
  });

  it('of a driver by ioctl ends the device, and it says so', async () => {
    const { program } = await rig.serve({ device, args: ['--attach=ioctl'] });
    rig.lab.excuse(program);
    const { folder } = await mountFiles(rig, device);
    const { end } = await startLoad(rig, device, join(folder, 'load'));
    program.kill('SIGSTOP');
    await pause(1_000);
    program.kill('SIGCONT');
    const { code, stderr } = await program.waitForEnd(PATIENCE_MS);
    expect(code, stderr).toBe(1);
    expect(stderr).toMatch(new RegExp(`^oxmem-bdev: ${device} has ended: .*\\.$`, 'm'));
    await expect(end).rejects.toThrow(/Input\/output error|Read-only file system/);
    await runInTime('umount', folder);
    await expectFreeAgain(device);
  });

  it('of the endpoint is waited for when it shall be, but not for one that lost its memory', async () => {
    const driver = await rig.serve({ device, args: [quick, '--endpoint-lost=wait'] });
    const { end } = await startLoad(rig, device);
    endpoint.program.kill('SIGSTOP');
    await seeStandstill(device, 2_000, PROMISED_MS);
    endpoint.program.kill('SIGCONT');
    await end;

    await rig.lab.crash(endpoint.program);
    const reader = rig.lab.start(['dd', `if=${device}`, 'of=/dev/null', 'bs=4k', 'iflag=direct']);
    rig.lab.excuse(reader);
    await untilStuck('dd');
    endpoint = await rig.startEndpoint('32M');
    // It answers, but has never heard of the connection, and holds nothing.
    expect((await reader.waitForEnd(PATIENCE_MS)).stderr).toContain('Input/output error');
    expect(driver.program.stderr).toMatch(/does not hold what was written, .* every request fails/);
    driver.program.kill('SIGTERM');
    await endInGoodOrder(driver.program);
    await expectFreeAgain(device);
  });

  it('of the endpoint for good gives I/O errors in time, and leaves nobody stuck', async () => {
    const { program } = await rig.serve({ device, args: [quick] });
    const { folder } = await mountFiles(rig, device);
    const { end } = await startLoad(rig, device, join(folder, 'load'));
    await rig.lab.crash(endpoint.program);
    const crashedMs = performance.now();
    await expect(end).rejects.toThrow(/Input\/output error|Read-only file system/);
    expect(performance.now() - crashedMs).toBeLessThan(PROMISED_MS + SLACK_MS);
    await until('nobody is stuck', () => stuckProcesses().length === 0);
    expect(program.stderr).toMatch(/endpoint \S+ has been silent for .* fail with an I\/O error/);
    await runInTime('umount', folder);
    program.kill('SIGTERM');
    await endInGoodOrder(program);
    await expectFreeAgain(device);
  });
});
