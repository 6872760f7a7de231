/** `oxmem-bdev detach` where somebody uses the device or its driver is dead, on a real kernel. */
import { mkdirSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { runProgram } from '../lab-program.ts';
import type { ProgramResult } from '../lab-program.ts';
import { driverCommand } from '../oxmem-lab.ts';
import { describeRequiring, itRequiring } from '../requires.ts';
import { DeviceLab, deviceNeeds } from './device-lab.ts';
import type { DeviceDriver } from './device-lab.ts';
import { deviceStatus, oxmem, sleepers } from './driver-commands.ts';
import { isAttached, PATIENCE_MS, runInTime, sizeOf, until } from './kernel-programs.ts';

describeRequiring([...deviceNeeds, 'command:mkfs.ext4'], 'detach by force', () => {
  let rig: DeviceLab;
  beforeAll(async () => {
    rig = await DeviceLab.open();
    await rig.startEndpoint('32M');
  });
  afterEach(async () => {
    await rig.release();
  });
  afterAll(async () => {
    await rig.close();
  });

  /** Waits for a driver that was told to stop by somebody else. */
  async function endOf({ program }: DeviceDriver): Promise<ProgramResult> {
    return await program.waitForEnd(PATIENCE_MS);
  }

  /** A filesystem of the device, mounted. */
  async function mounted(device: string): Promise<string> {
    const folder = rig.lab.path('mount');
    mkdirSync(folder, { recursive: true });
    await runInTime('mkfs.ext4', '-q', device);
    await runInTime('mount', device, folder);
    return folder;
  }

  it('detach leaves a mounted device alone; by force it is dead until it is unmounted', async () => {
    const driver = await rig.serve();
    const folder = await mounted(driver.path);
    const refusal = await oxmem('detach', driver.path);
    expect(refusal).toMatchObject({ code: 4, stdout: '' });
    expect(refusal.stderr).toContain(`sudo umount ${folder}`);
    await runInTime('sh', '-c', `echo alive >${folder}/file && sync`);
    expect((await deviceStatus(driver.path))['mounts']).toEqual([
      { source: driver.path, target: folder },
    ]);

    const forced = await oxmem('detach', '--force', driver.path);
    expect(forced).toMatchObject({ code: 4, stdout: '' });
    expect(forced.stderr).toMatch(/is disconnected .* mounted on /);
    expect(await endOf(driver)).toMatchObject({ code: 0 });
    const reading = await runProgram(['dd', `if=${driver.path}`, 'bs=4k', 'iflag=direct']);
    expect(reading.stderr).toContain('Input/output error');
    expect((await deviceStatus(driver.path))['server']).toMatchObject({
      kind: 'none',
      waitsForSuccessor: false,
    });
    await runInTime('umount', folder);
    await until(`${driver.path} is free`, () => !isAttached(driver.path));
    expect(sleepers()).toEqual([]);
  });

  itRequiring(
    ['nbd-netlink', 'command:setpriv'],
    'detach ends a device whose driver was killed, and what waits for it fails',
    async () => {
      const driver = await rig.serve({ args: ['--restart-wait=10m'] });
      await rig.lab.crash(driver.program);
      const reader = rig.lab.start(['dd', `if=${driver.path}`, 'bs=4k', 'count=1', 'iflag=direct']);
      rig.lab.excuse(reader);
      await until('dd waits', () => sleepers().includes('dd'));
      expect(await deviceStatus(driver.path)).toMatchObject({
        server: { kind: 'none', pid: driver.program.pid, waitsForSuccessor: true },
        openers: expect.arrayContaining([{ pid: reader.pid, command: 'dd' }]),
      });
      const refusal = await oxmem('detach', driver.path);
      expect(refusal.code).toBe(4);
      expect(refusal.stderr).toContain(`open in dd (process ${reader.pid})`);

      const forced = ['detach', '--force', driver.path];
      const without = ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin'];
      const powerless = await runProgram([...without, ...driverCommand, ...forced], {
        timeoutMs: PATIENCE_MS,
      });
      expect(powerless).toMatchObject({ code: 3, stdout: '' });
      expect(powerless.stderr).toContain('CAP_SYS_ADMIN');
      expect(isAttached(driver.path)).toBe(true);

      expect(await oxmem(...forced)).toMatchObject({ code: 0 });
      expect(isAttached(driver.path)).toBe(false);
      const end = await reader.waitForEnd(PATIENCE_MS);
      expect(end.stderr).toContain('Input/output error');
      expect(sleepers()).toEqual([]);
      expect(await sizeOf(driver.path)).toBe(0);
    },
  );

  itRequiring(
    ['nbd-netlink'],
    'detach says that a driver does not react, and kills it by force; what waits for it fails',
    async () => {
      const driver = await rig.serve();
      const writing = ['dd', 'if=/dev/zero', `of=${driver.path}`, 'bs=1M', 'oflag=direct'];
      const writer = rig.lab.start(writing);
      rig.lab.excuse(writer);
      rig.lab.excuse(driver.program);
      driver.program.kill('SIGSTOP');
      await until('dd waits', () => sleepers().includes('dd'));
      const late = await oxmem('detach', '--timeout=3s', driver.path);
      expect(late).toMatchObject({ code: 1, stdout: '' });
      expect(late.stderr).toMatch(/waiting for process \d+ to stop, 2 s so far \(.*dd/);
      expect(late.stderr).toMatch(/still attached after 3s, .*--force\.$/m);
      expect(isAttached(driver.path)).toBe(true);

      const forced = await oxmem('detach', '--force', driver.path);
      expect(forced, forced.stderr).toMatchObject({ code: 0 });
      expect(isAttached(driver.path)).toBe(false);
      expect(await endOf(driver)).toMatchObject({ signal: 'SIGKILL' });
      expect((await writer.waitForEnd(PATIENCE_MS)).stderr).toContain('Input/output error');
      expect(sleepers()).toEqual([]);
    },
  );
});
