import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { SECOND } from '@oxmem/tloe-protocol';
import { ArrayMemory } from '@oxmem/tloe-protocol/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { DriverError } from '../src/errors.ts';
import { DriverRig, RIG_SIZE } from './driver-rig.ts';
import { turns } from './real-turns.ts';

const CLOSED_WELL = [
  'Closing OmniXtend connection...',
  'Disconnect packet sent successfully',
  'Cleanup complete',
];

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) + seed) & 0xff);
}

describe('a driver with kernel devices', () => {
  let rig: DriverRig;
  beforeEach(() => {
    rig = new DriverRig();
  });
  afterEach(async () => {
    await rig.close();
  });

  it('serves /dev/nbd0, says so, and leaves nothing behind when it is stopped', async () => {
    rig.startEndpoint();
    const driver = await rig.startReady();
    expect(driver.printed[0]).toMatch(/^ready: \/dev\/nbd0 1048576 bytes at 0x0 on .* via drv0$/);
    expect(rig.kernel.device(0).partitionScans).toBe(1);
    const bytes = pattern(10_000, 1);
    await rig.settled(rig.kernel.device(0).write(4096, bytes));
    expect(await rig.settled(rig.kernel.device(0).read(4096, 10_000))).toEqual(bytes);
    expect(readdirSync(rig.runFolder).toSorted()).toEqual(['nbd0.json', 'nbd0.witness']);
    driver.stop.request();
    expect(await rig.endOf(driver)).toBeUndefined();
    expect(driver.printed.slice(1)).toEqual(CLOSED_WELL);
    expect(rig.kernel.device(0)).toMatchObject({ pid: undefined, flushes: 1 });
    expect(readdirSync(rig.runFolder)).toEqual([]);
  });

  it('says in a file whose device it is', async () => {
    rig.startEndpoint();
    await rig.startReady('--read-only', '--block-size=512');
    const text = readFileSync(join(rig.runFolder, 'nbd0.json'), 'utf8');
    expect(JSON.parse(text)).toMatchObject({
      pid: process.pid,
      device: '/dev/nbd0',
      sizeBytes: RIG_SIZE,
      base: '0x0',
      netdev: 'drv0',
      way: 'netlink',
      readOnly: true,
      blockBytes: 512,
    });
    expect(rig.kernel.device(0).config).toMatchObject({ blockBytes: 512 });
  });

  it('splits the memory over four devices that do not overlap', async () => {
    rig.startEndpoint();
    const driver = await rig.startReady('--num=4', '--device=/dev/nbd0', '--base=0x0');
    const part = RIG_SIZE / 4;
    expect(driver.printed.map((line) => line.split(' on ')[0])).toEqual([
      `ready: /dev/nbd0 ${part} bytes at 0x0`,
      `ready: /dev/nbd1 ${part} bytes at 0x40000`,
      `ready: /dev/nbd2 ${part} bytes at 0x80000`,
      `ready: /dev/nbd3 ${part} bytes at 0xc0000`,
    ]);
    const devices = [0, 1, 2, 3].map((index) => rig.kernel.device(index));
    const writes = devices.flatMap((it, i) => [
      it.write(0, pattern(5000, i)),
      it.write(part - 5000, pattern(5000, 10 + i)),
    ]);
    await rig.settled(Promise.all(writes));
    for (const [i, device] of devices.entries()) {
      expect(await rig.settled(device.read(0, 5000))).toEqual(pattern(5000, i));
      expect(await rig.settled(device.read(part - 5000, 5000))).toEqual(pattern(5000, 10 + i));
    }
    driver.stop.request();
    await rig.endOf(driver);
    expect(devices.map(({ pid }) => pid)).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('touches no device when another one that it needs is busy', async () => {
    rig.startEndpoint();
    rig.kernel.device(1).holders.push('dm-0');
    const early = rig.start('--num=2');
    const failure = (await rig.endOf(early)) as DriverError;
    expect([failure.code, failure.exitCode]).toEqual(['ERR_OXMEM_DEVICE_BUSY', 4]);
    expect(failure.message).toContain('/dev/nbd1 is busy: in use by dm-0');
    expect(early.printed).toEqual(CLOSED_WELL);
    expect(rig.kernel.device(0).pid).toBeUndefined();
  });

  it.each([
    ['no module', { isModuleLoaded: false }, '--attach=auto', 4, 'sudo modprobe nbd'],
    ['no capability', { isPermitted: false }, '--attach=auto', 3, 'CAP_SYS_ADMIN'],
    ['no netlink', { hasNetlink: false }, '--attach=netlink', 4, 'by ioctl'],
    ['not an NBD device', {}, '--device=/dev/sda', 4, '/dev/sda is not an NBD device'],
  ] as const)('%s: one sentence and the right exit code', async (_, lack, option, code, words) => {
    rig.startEndpoint();
    Object.assign(rig.kernel, lack);
    const failure = await rig.endOf(rig.start(option));
    if (!(failure instanceof DriverError)) throw failure;
    expect(failure.exitCode).toBe(code);
    expect(failure.message).toContain(words);
    expect(failure.message).not.toContain('\n');
  });

  it('says at the start that the range reaches beyond the memory of the endpoint', async () => {
    rig.startEndpoint({ sizeBytes: RIG_SIZE / 2 });
    const failure = (await rig.endOf(rig.start())) as DriverError;
    expect([failure.code, failure.exitCode]).toEqual(['ERR_OXMEM_RANGE', 2]);
    expect(failure.message).toContain('at 0xffff8');
    expect(rig.kernel.device(0).partitionScans).toBe(0);
  });

  describe('that is asked to stop while somebody uses a device', () => {
    it('names the mount, serves on, and ends after the last byte of the unmount', async () => {
      rig.startEndpoint();
      const device = rig.kernel.device(0);
      const driver = await rig.startReady();
      device.mounts.push({ source: '/dev/nbd0', target: '/mnt/data' });
      driver.stop.request();
      await rig.until(() => driver.logged.some((line) => line.includes('second signal')));
      expect(driver.logged.join()).toContain('/dev/nbd0 is mounted on /mnt/data');
      device.isUnmounting = true;
      device.mounts.length = 0;
      await rig.until(() => rig.clock.now() > 2 * SECOND);
      expect(driver.end).toBeUndefined();
      await rig.settled(device.write(0, pattern(4096, 2)));
      device.isUnmounting = false;
      expect(await rig.endOf(driver)).toBeUndefined();
      expect(device.pid).toBeUndefined();
    });

    it('takes the device away at the second request', async () => {
      rig.startEndpoint();
      const device = rig.kernel.device(0);
      const driver = await rig.startReady();
      device.swaps.push('/dev/nbd0');
      driver.stop.request();
      await turns(20);
      driver.stop.request();
      await rig.endOf(driver);
      expect(driver.printed.slice(1)).toEqual(CLOSED_WELL);
      expect([device.pid, device.flushes]).toEqual([undefined, 0]);
    });
  });

  it('ends well when another program disconnects its only device', async () => {
    rig.startEndpoint();
    const driver = await rig.startReady();
    rig.kernel.device(0).disconnectNow();
    expect(await rig.endOf(driver)).toBeUndefined();
    expect(driver.printed.slice(1)).toEqual(CLOSED_WELL);
  });

  it('ends well also when requests are open then, which fail', async () => {
    rig.startEndpoint();
    const driver = await rig.startReady();
    const reading = rig.kernel.device(0).read(0, 4096);
    const failed = expect(reading).rejects.toMatchObject({ code: 'EIO' });
    rig.kernel.device(0).disconnectNow();
    expect(await rig.endOf(driver)).toBeUndefined();
    expect(driver.printed.slice(1)).toEqual(CLOSED_WELL);
    await failed;
  });

  it('gives a device whose connection the kernel has dropped a new one, and loses nothing', async () => {
    rig.startEndpoint();
    const device = rig.kernel.device(0);
    const driver = await rig.startReady();
    const bytes = pattern(8192, 5);
    const written = device.write(0, bytes);
    device.dropConnections();
    await rig.settled(written);
    expect(await rig.settled(device.read(0, 8192))).toEqual(bytes);
    expect(driver.logged.join()).toContain('/dev/nbd0 was given a new connection');
  });

  it('is stopped while it gives a device a new connection: waits for that, and leaves nothing', async () => {
    rig.startEndpoint();
    const driver = await rig.startReady();
    const device = rig.kernel.device(0);
    device.dropConnections();
    driver.stop.request();
    expect(await rig.endOf(driver)).toBeUndefined();
    await turns(50);
    expect(device).toMatchObject({ pid: undefined, hasSockets: false });
    expect(readdirSync(rig.runFolder)).toEqual([]);
  });

  it('ends with an error when a device that was attached by ioctl loses its connection', async () => {
    rig.startEndpoint();
    const driver = await rig.startReady('--attach=ioctl');
    rig.kernel.device(0).dropConnections();
    const failure = (await rig.endOf(driver)) as DriverError;
    expect([failure.code, failure.exitCode]).toEqual(['ERR_OXMEM_DEVICE', 1]);
  });

  describe('whose endpoint is restarted', () => {
    const quick = ['--request-timeout=10ms', '--endpoint-lost=wait'];

    it('with its memory: I/O waits, is done, and nobody notices', async () => {
      const memory = new ArrayMemory(RIG_SIZE);
      rig.startEndpoint({ memory });
      const driver = await rig.startReady(...quick);
      const device = rig.kernel.device(0);
      await rig.settled(device.write(0, pattern(64 * 1024, 1)));
      rig.startEndpoint({ memory });
      const open = [device.read(4096, 8192), device.write(128 * 1024, pattern(8192, 2))] as const;
      expect(await rig.settled(open[0])).toEqual(pattern(64 * 1024, 1).subarray(4096, 12_288));
      await rig.settled(open[1]);
      expect(await rig.settled(device.read(128 * 1024, 8192))).toEqual(pattern(8192, 2));
      expect(driver.logged.at(-1)).toMatch(/holds what was written: requests are served again$/);
    });

    it('without it: I/O fails, and a successor does not trust it either', async () => {
      rig.startEndpoint();
      const driver = await rig.startReady(...quick);
      const device = rig.kernel.device(0);
      await rig.settled(device.write(0, pattern(64 * 1024, 1)));
      rig.startEndpoint();
      await expect(rig.settled(device.read(0, 4096))).rejects.toMatchObject({ code: 'EIO' });
      await expect(rig.settled(device.flush())).rejects.toMatchObject({ code: 'EIO' });
      expect(driver.logged.join('\n')).toMatch(/does not hold what was written, byte 0 and/);
      driver.stop.askHandOver();
      await rig.endOf(driver);
      const failure = (await rig.endOf(rig.start('--takeover'))) as DriverError;
      expect(failure.code).toBe('ERR_OXMEM_NO_PROOF');
    });
  });

  describe('that takes over from another one', () => {
    /** A driver that has written something and then handed its device over. */
    async function leaveDevice(): Promise<Uint8Array> {
      const driver = await rig.startReady();
      const bytes = pattern(64 * 1024, 3);
      await rig.settled(rig.kernel.device(0).write(0, bytes));
      driver.stop.askHandOver();
      expect(await rig.endOf(driver)).toBeUndefined();
      expect(driver.printed.slice(1)).toEqual(CLOSED_WELL);
      expect(rig.kernel.device(0).pid).toBeDefined();
      return bytes;
    }

    it('serves what waited meanwhile, and the same contents as before', async () => {
      rig.startEndpoint();
      const bytes = await leaveDevice();
      const waiting = rig.kernel.device(0).read(1000, 5000);
      await rig.startReady('--takeover');
      expect(await rig.settled(waiting)).toEqual(bytes.subarray(1000, 6000));
      expect(existsSync(join(rig.runFolder, 'nbd0.json'))).toBe(true);
    });

    it('fails I/O instead when the endpoint was restarted without its memory', async () => {
      rig.startEndpoint();
      await leaveDevice();
      const waiting = expect(rig.kernel.device(0).read(0, 4096)).rejects.toThrow('EIO');
      rig.startEndpoint();
      const failure = (await rig.endOf(rig.start('--takeover'))) as DriverError;
      expect([failure.code, failure.exitCode]).toEqual(['ERR_OXMEM_NO_PROOF', 1]);
      await waiting;
      expect(readdirSync(rig.runFolder)).toEqual([]);
      expect(rig.kernel.device(0).pid).toBeUndefined();
    });

    it('fails I/O instead when nothing was ever written that one could compare', async () => {
      rig.startEndpoint();
      const driver = await rig.startReady();
      driver.stop.askHandOver();
      await rig.endOf(driver);
      const failure = (await rig.endOf(rig.start('--takeover'))) as DriverError;
      expect(failure.message).toContain('nothing to compare with');
      expect(rig.kernel.device(0).pid).toBeUndefined();
    });

    it('leaves alone what shows another memory', async () => {
      rig.startEndpoint();
      await leaveDevice();
      const other = rig.start('--takeover', '--base=0x80000', '--size=512K');
      const failure = (await rig.endOf(other)) as DriverError;
      expect(failure.code).toBe('ERR_OXMEM_DEVICE_BUSY');
      expect(failure.message).toContain('Release it with `sudo oxmem-bdev detach /dev/nbd0`');
      expect(rig.kernel.device(0).pid).toBeDefined();
    });

    it('attaches a free device as without the option', async () => {
      rig.startEndpoint();
      const driver = await rig.startReady('--takeover');
      expect(driver.printed[0]).toContain('ready: /dev/nbd0');
    });

    it('stops in good order when no successor is waited for', async () => {
      rig.startEndpoint();
      const driver = await rig.startReady('--restart-wait=0');
      const device = rig.kernel.device(0);
      device.mounts.push({ source: '/dev/nbd0', target: '/mnt/data' });
      driver.stop.askHandOver();
      await rig.until(() => driver.logged.some((line) => line.includes('second signal')));
      expect(driver.logged.join()).toContain('nothing here that a successor could take over');
      expect(driver.end).toBeUndefined();
      device.mounts.length = 0;
      expect(await rig.endOf(driver)).toBeUndefined();
      expect(driver.printed.slice(1)).toEqual(CLOSED_WELL);
      expect(device.pid).toBeUndefined();
    });
  });
});
