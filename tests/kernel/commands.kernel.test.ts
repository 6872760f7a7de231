/** `oxmem-bdev detach`, `status` and `doctor` on the devices of a real kernel. */
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { ProgramResult } from '../lab-program.ts';
import { runProgram } from '../lab-program.ts';
import { driverCommand, SHUTDOWN_LINES } from '../oxmem-lab.ts';
import { describeRequiring, itRequiring } from '../requires.ts';
import { DeviceLab, deviceNeeds } from './device-lab.ts';
import type { DeviceDriver } from './device-lab.ts';
import {
  freeDevices,
  isAttached,
  PATIENCE_MS,
  runInTime,
  sizeOf,
  until,
} from './kernel-programs.ts';

const MIB = 2 ** 20;

describeRequiring([...deviceNeeds, 'command:mkfs.ext4'], 'the commands of oxmem-bdev', () => {
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
    const { code, stdout } = await endOf(driver);
    expect(code).toBe(0);
    expect(stdout).toContain(SHUTDOWN_LINES[2]);
    expect(await oxmem('detach', first)).toMatchObject({
      code: 0,
      stdout: `${first} is not attached\n`,
    });
    await rig.stop(await rig.serve({ device: first }));
  });

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
    'detach says when a driver does not react, and forces it',
    async () => {
      const driver = await rig.serve();
      driver.program.kill('SIGSTOP');
      const late = await oxmem('detach', '--timeout=3s', driver.path);
      expect(late).toMatchObject({ code: 1, stdout: '' });
      expect(late.stderr).toMatch(/waiting for process \d+ to stop, 2 s so far/);
      expect(late.stderr).toMatch(/still attached after 3s, .*--force\.$/m);
      expect(isAttached(driver.path)).toBe(true);
      expect(await oxmem('detach', '--force', driver.path)).toMatchObject({ code: 0 });
      expect(isAttached(driver.path)).toBe(false);
      driver.program.kill('SIGCONT');
      // It has got two signals by now; what counts is that it ends.
      rig.lab.excuse(driver.program);
      await endOf(driver);
    },
  );

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

/** Runs a command of the program. */
async function oxmem(...args: readonly string[]): Promise<ProgramResult> {
  return await runProgram([...driverCommand, ...args], { timeoutMs: PATIENCE_MS });
}

/** What `status --json` says about a device, by the names that its document promises. */
async function deviceStatus(path: string): Promise<Record<string, unknown>> {
  const { code, stdout } = await oxmem('status', '--json');
  expect(code).toBe(0);
  const { devices } = JSON.parse(stdout) as { devices: Record<string, unknown>[] };
  const found = devices.find(({ device }) => device === path);
  if (found === undefined) throw new Error(`${path} is not in ${stdout}`);
  return found;
}

/** Names of programs that sleep and cannot be woken, for these tests' programs only. */
function sleepers(): string[] {
  const names = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return names.flatMap((pid) => {
    const [, command = '', state] = /\((.*)\) (\w)/.exec(statOf(pid)) ?? [];
    return state === 'D' && ['dd', 'node', 'umount'].includes(command) ? [command] : [];
  });
}

function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return '';
  }
}
