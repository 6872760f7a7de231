/** `oxmem-bdev detach`, `status` and `doctor` on the devices of a real kernel. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { runProgram } from '../lab-program.ts';
import { driverCommand, SHUTDOWN_LINES } from '../oxmem-lab.ts';
import { describeRequiring } from '../requires.ts';
import { DeviceLab, deviceNeeds } from './device-lab.ts';
import { deviceStatus, oxmem } from './driver-commands.ts';
import {
  freeDevices,
  isAttached,
  PATIENCE_MS,
  runInTime,
  sizeOf,
  until,
} from './kernel-programs.ts';

const MIB = 2 ** 20;

describeRequiring([...deviceNeeds, 'command:unshare'], 'the commands of oxmem-bdev', () => {
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

  it('detach has the driver stop in good order, and the next one can start at once', async () => {
    const driver = await rig.serve({ count: 2 });
    const [first, second] = driver.devices.map(({ path }) => path) as [string, string];
    expect(await deviceStatus(second)).toMatchObject({
      sizeBytes: 16 * MIB,
      server: { kind: 'oxmem-bdev', pid: driver.program.pid, waitsForSuccessor: false },
      endpoint: rig.lab.wire.peer.mac,
      base: '0x1000000',
      netdev: rig.lab.place(0).name,
      mounts: [],
    });
    const result = await oxmem('detach', second);
    expect(result).toMatchObject({ code: 0, stdout: `detached ${second}, ${first}\n` });
    for (const path of [first, second]) expect(isAttached(path), path).toBe(false);
    const { code, stdout } = await driver.program.waitForEnd(PATIENCE_MS);
    expect(code).toBe(0);
    expect(stdout).toContain(SHUTDOWN_LINES[2]);
    expect(await oxmem('detach', first)).toMatchObject({
      code: 0,
      stdout: `${first} is not attached\n`,
    });
    await rig.stop(await rig.serve({ device: first }));
  });

  it('detach leaves the device of nbd-client alone; by force it works without netlink', async () => {
    const { program, socketPath } = await rig.lab.startDriver({
      size: '16M',
      args: ['--open-timeout=30s', '--request-timeout=30s'],
    });
    const device = freeDevices(1)[0]!;
    await runInTime('nbd-client', '-unix', socketPath, device, '-block-size', '4096');
    await until(`${device} has a size`, async () => (await sizeOf(device)) > 0);
    expect(await deviceStatus(device)).toMatchObject({
      server: { kind: 'program' },
      endpoint: null,
    });
    const refusal = await oxmem('detach', device);
    expect(refusal.code).toBe(4);
    expect(refusal.stderr).toContain(`sudo nbd-client -d ${device}`);
    expect(await sizeOf(device)).toBe(16 * MIB);

    const hidden = [...driverCommand, 'detach', '--force', device];
    const forced = await runProgram(['unshare', '-n', ...hidden], { timeoutMs: PATIENCE_MS });
    expect(forced, forced.stderr).toMatchObject({ code: 0, stdout: `detached ${device}\n` });
    expect(isAttached(device)).toBe(false);
    expect(await sizeOf(device)).toBe(0);
    expect(await program.stop('SIGTERM', PATIENCE_MS)).toMatchObject({ code: 0 });
  });

  it('doctor finds all well before a driver runs, and names the device that is busy then', async () => {
    const device = freeDevices(1)[0]!;
    const { name } = rig.lab.place(0);
    const { mac } = rig.lab.wire.peer;
    const args = [`--netdev=${name}`, `--mac=${mac}`, `--device=${device}`, '--open-timeout=30s'];
    const before = await oxmem('doctor', ...args);
    expect(before.code, before.stdout + before.stderr).toBe(0);
    expect(before.stdout).not.toMatch(/^fail/m);
    expect(before.stdout).toContain(`ok    ${device} is free\n`);
    expect(before.stdout).toMatch(
      new RegExp(`^ok {4}${mac} answers, profile oxmem .* round trip`, 'm'),
    );

    const driver = await rig.serve({ device });
    const during = await oxmem('doctor', ...args);
    expect(during.code).toBe(4);
    expect(during.stdout).toMatch(
      new RegExp(
        `^fail {2}${device} is busy: served by oxmem-bdev \\(process ${driver.program.pid}\\)`,
        'm',
      ),
    );
    expect(during.stdout).toMatch(new RegExp(`^warn {2}${mac} was not asked`, 'm'));
    // The driver has not noticed.
    await runInTime('dd', `if=${driver.path}`, 'of=/dev/null', 'bs=4k', 'count=4', 'iflag=direct');
    await rig.stop(driver);
    expect(await oxmem('doctor', '--device=/dev/sda')).toMatchObject({ code: 4 });
  });
});
