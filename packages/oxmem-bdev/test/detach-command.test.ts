import { readdirSync, writeFileSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { writeRecord } from '../src/kernel/device-record.ts';
import { witnessPath } from '../src/witness/witness-file.ts';
import { CommandRig } from './command-rig.ts';

const DRIVER = 700;

describe('oxmem-bdev detach', () => {
  let rig: CommandRig;
  beforeEach(() => {
    rig = new CommandRig();
  });
  afterEach(() => rig.close());

  function complaint(): string {
    expect(rig.complaints, rig.complaints.join('\n')).toHaveLength(1);
    expect(rig.complaints[0]).toMatch(/\.$/);
    return rig.complaints[0] ?? '';
  }

  describe('of a device that an oxmem-bdev serves', () => {
    it('has the driver stop, and is done when device and driver are gone', async () => {
      rig.startDriver(DRIVER, 0);
      expect(await rig.run('detach', '/dev/nbd0')).toBe(0);
      expect(rig.terminated).toEqual([DRIVER]);
      expect(rig.printed).toEqual(['detached /dev/nbd0']);
      expect(rig.complaints).toEqual([]);
    });

    it('works the same for one that was attached by ioctl', async () => {
      const process = rig.startDriver(DRIVER, 0);
      rig.attach(0, DRIVER, 'ioctl');
      process.onTerminate = () => {
        rig.kernel.device(0).way = undefined;
        rig.kernel.device(0).releaseIfUnused();
        rig.processes.delete(DRIVER);
      };
      expect(await rig.run('detach', '/dev/nbd0')).toBe(0);
      expect(rig.terminated).toEqual([DRIVER]);
    });

    it('waits for the driver, and says so when that takes longer than two seconds', async () => {
      const process = rig.startDriver(DRIVER, 0);
      process.onTerminate = undefined;
      rig.onPause = (elapsed) => {
        if (elapsed >= 8000) rig.endDriver(DRIVER, 0);
      };
      expect(await rig.run('detach', '/dev/nbd0')).toBe(0);
      expect(rig.complaints).toEqual([
        '/dev/nbd0: waiting for process 700 to stop, 2 s so far',
        '/dev/nbd0: waiting for process 700 to stop, 7 s so far',
      ]);
    });

    it('ends all devices of that driver, and names them', async () => {
      rig.startDriver(DRIVER, 1, 2);
      rig.startDriver(800, 3);
      expect(await rig.run('detach', '/dev/nbd2')).toBe(0);
      expect(rig.printed).toEqual(['detached /dev/nbd2, /dev/nbd1']);
      expect(rig.kernel.device(3).pid).toBe(800);
    });

    it('gives up on a driver that does not react, and says what then', async () => {
      rig.startDriver(DRIVER, 0).onTerminate = undefined;
      expect(await rig.run('detach', '--timeout=1s', '/dev/nbd0')).toBe(1);
      expect(complaint()).toMatch(/still attached after 1s, although process 700 .*--force\.$/);
      expect(rig.kernel.device(0).pid).toBe(DRIVER);
    });

    it('kills by force a driver that does not react, and disconnects its devices', async () => {
      rig.startDriver(DRIVER, 0, 1).onTerminate = undefined;
      expect(await rig.run('detach', '--force', '/dev/nbd0')).toBe(0);
      expect([rig.terminated, rig.killed]).toEqual([[DRIVER], [DRIVER]]);
      expect(rig.complaints.at(-1)).toBe('process 700 does not react and is killed');
      expect([0, 1].map((index) => rig.kernel.device(index).pid)).toEqual([undefined, undefined]);
    });

    it('does not kill a driver that stops in time', async () => {
      rig.startDriver(DRIVER, 0).onTerminate = undefined;
      rig.onPause = (elapsed) => {
        if (elapsed >= 9000) rig.endDriver(DRIVER, 0);
      };
      expect(await rig.run('detach', '--force', '/dev/nbd0')).toBe(0);
      expect(rig.killed).toEqual([]);
    });

    /** The kernel is stuck in a send to a server that reads nothing, until that is dead. */
    function makeStuck(): () => void {
      const { binding } = rig.kernel;
      const disconnect = binding.netlinkDisconnect.bind(binding);
      let free = (): void => {};
      const isFree = new Promise<void>((resolve) => (free = resolve));
      Object.assign(binding, {
        netlinkDisconnect: (index: number) => isFree.then(() => disconnect(index)),
      });
      return free;
    }

    it('kills a driver for which the kernel waits in the disconnection', async () => {
      rig.startDriver(DRIVER, 0).onKill = makeStuck();
      rig.kernel.device(0).mounts.push({ source: '/dev/nbd0', target: '/mnt' });
      expect(await rig.run('detach', '--force', '/dev/nbd0')).toBe(0);
      expect([rig.terminated, rig.killed]).toEqual([[], [DRIVER]]);
      expect(rig.kernel.device(0).pid).toBeUndefined();
    });

    it('kills no other program for that, and says what to do', async () => {
      rig.attach(0, DRIVER);
      rig.forgetRecord(0);
      makeStuck();
      expect(await rig.run('detach', '--force', '/dev/nbd0')).toBe(1);
      expect(rig.complaints.at(-1)).toMatch(/cannot be disconnected.*end that process/);
      expect(rig.killed).toEqual([]);
    });

    it('takes a driver that has just ended for one that stops', async () => {
      const process = rig.startDriver(DRIVER, 0);
      // Between the look and the signal.
      process.beforeTerminate = () => rig.endDriver(DRIVER, 0);
      expect(await rig.run('detach', '/dev/nbd0')).toBe(0);
      expect(rig.terminated).toEqual([]);
    });

    it('never opens the node, which may wait for ever', async () => {
      Object.assign(rig.files, { isClaimed: () => Promise.reject(new Error('opened')) });
      rig.startDriver(DRIVER, 0, 1);
      expect(await rig.run('detach', '/dev/nbd0')).toBe(0);
      rig.attach(2, DRIVER);
      expect(await rig.run('detach', '/dev/nbd2')).toBe(0);
    });

    it('says that it may not stop the driver of another user', async () => {
      const process = rig.startDriver(DRIVER, 0);
      rig.processes.set(DRIVER, { ...process, isForeign: true });
      expect(await rig.run('detach', '/dev/nbd0')).toBe(3);
      expect(complaint()).toMatch(/process 700 of another user.*sudo\.$/);
    });
  });

  describe('of a device that is in use', () => {
    it.each([
      ['a mount', { mounts: [{ source: '/dev/nbd0', target: '/mnt' }] }, 'sudo umount /mnt'],
      ['swap space', { swaps: ['/dev/nbd0'] }, 'sudo swapoff /dev/nbd0'],
      ['a device on top', { holders: ['dm-0'] }, 'take dm-0 off it'],
    ])('refuses for %s, names it and the remedy, and signals nobody', async (_, use, remedy) => {
      rig.startDriver(DRIVER, 0);
      Object.assign(rig.kernel.device(0), use);
      expect(await rig.run('detach', '/dev/nbd0')).toBe(4);
      expect(complaint()).toContain(remedy);
      expect(complaint()).toContain('--force');
      expect(rig.terminated).toEqual([]);
      expect(rig.kernel.device(0).pid).toBe(DRIVER);
    });

    it('refuses while an unmount still writes', async () => {
      rig.startDriver(DRIVER, 0);
      rig.kernel.device(0).isUnmounting = true;
      expect(await rig.run('detach', '/dev/nbd0')).toBe(4);
      expect(complaint()).toContain('still being unmounted');
    });

    it('refuses when another device of the driver is in use', async () => {
      rig.startDriver(DRIVER, 0, 1);
      rig.kernel.device(1).swaps.push('/dev/nbd1');
      expect(await rig.run('detach', '/dev/nbd0')).toBe(4);
      expect(complaint()).toMatch(/served together with \/dev\/nbd1.*swapoff \/dev\/nbd1/);
    });

    it('disconnects by force that device alone', async () => {
      rig.startDriver(DRIVER, 0, 1);
      rig.kernel.device(1).swaps.push('/dev/nbd1');
      expect(await rig.run('detach', '--force', '/dev/nbd0')).toBe(0);
      expect(rig.terminated).toEqual([]);
      expect([0, 1].map((index) => rig.kernel.device(index).pid)).toEqual([undefined, DRIVER]);
    });

    it('says after the use of force who keeps it', async () => {
      rig.startDriver(DRIVER, 0);
      const device = rig.kernel.device(0);
      device.mounts.push({ source: '/dev/nbd0', target: '/mnt' });
      device.open({ pid: 5, command: 'ls' });
      expect(await rig.run('detach', '--force', '/dev/nbd0')).toBe(4);
      const sentence = rig.complaints.at(-1);
      expect(sentence).toMatch(/is disconnected .* keeps it .*mounted on \/mnt; open in ls/);
      expect(device.liveConnections).toBe(0);
    });

    it('waits after the use of force for a program to close it', async () => {
      rig.startDriver(DRIVER, 0);
      const device = rig.kernel.device(0);
      device.isUnmounting = true;
      const close = device.open({ pid: 5, command: 'dd' });
      rig.processes.get(DRIVER)!.onTerminate = undefined;
      rig.onPause = (elapsed) => {
        if (elapsed >= 9000) close();
      };
      expect(await rig.run('detach', '--force', '/dev/nbd0')).toBe(0);
      expect(rig.complaints.at(-1)).toMatch(
        /waiting for the kernel.*; open in dd \(process 5\)\)$/,
      );
    });
  });

  describe('of a device whose driver has died', () => {
    it('disconnects it, and removes what the driver left', async () => {
      rig.attach(0, DRIVER);
      writeFileSync(witnessPath('/dev/nbd0', rig.folder), '');
      expect(await rig.run('detach', '/dev/nbd0')).toBe(0);
      expect(rig.printed).toEqual(['detached /dev/nbd0']);
      expect(rig.kernel.device(0).pid).toBeUndefined();
      expect(readdirSync(rig.folder)).toEqual([]);
    });

    it('signals nobody, although another process has the number of the driver now', async () => {
      rig.attach(0, DRIVER);
      rig.processes.set(DRIVER, { startTime: 999_999, command: 'postgres' });
      expect(await rig.run('detach', '/dev/nbd0')).toBe(0);
      expect(rig.terminated).toEqual([]);
      expect(rig.kernel.device(0).pid).toBeUndefined();
    });

    it('leaves it alone while a program waits for its I/O', async () => {
      rig.attach(0, DRIVER);
      rig.kernel.device(0).open({ pid: 5, command: 'dd' });
      expect(await rig.run('detach', '/dev/nbd0')).toBe(4);
      expect(complaint()).toContain('open in dd (process 5)');
      expect(rig.kernel.device(0).pid).toBe(DRIVER);
    });

    it('does not mind udev, which looks at what will not come', async () => {
      rig.attach(0, DRIVER);
      const close = rig.kernel.device(0).open({ pid: 5, command: '(udev-worker)' });
      rig.onPause = close;
      expect(await rig.run('detach', '/dev/nbd0')).toBe(0);
    });

    it('does it by ioctl where netlink is out of sight', async () => {
      rig.attach(0, DRIVER);
      rig.kernel.hasNetlink = false;
      expect(await rig.run('detach', '/dev/nbd0')).toBe(0);
    });

    it('says that it may not', async () => {
      rig.attach(0, DRIVER);
      rig.kernel.isPermitted = false;
      await expect(rig.run('detach', '/dev/nbd0')).rejects.toMatchObject({
        code: 'ERR_NBD_PERMISSION',
      });
    });
  });

  describe('of a device of another program', () => {
    beforeEach(() => {
      rig.attach(0, DRIVER);
      const { config } = rig.kernel.device(0);
      if (config !== undefined) config.backendIdentifier = undefined;
      rig.processes.set(DRIVER, { startTime: 1, command: 'nbd-client' });
      // What an oxmem-bdev that was killed once left is about another attachment.
      writeRecord(rig.record(0, 600, 'ioctl'), rig.folder);
      rig.processes.set(600, { startTime: 1, command: 'bash' });
    });

    it('leaves it alone, and says whose it is', async () => {
      expect(await rig.run('detach', '/dev/nbd0')).toBe(4);
      expect(complaint()).toMatch(/attached by nbd-client \(process 700\).*--force\.$/);
      expect(rig.kernel.device(0).pid).toBe(DRIVER);
    });

    it('disconnects it by force, without a signal', async () => {
      expect(await rig.run('detach', '--force', '/dev/nbd0')).toBe(0);
      expect(rig.terminated).toEqual([]);
      expect(rig.kernel.device(0).pid).toBeUndefined();
    });
  });

  it('leaves a device alone whose driver lives and has left no record, unless forced', async () => {
    rig.attach(0, DRIVER);
    rig.forgetRecord(0);
    rig.texts.set('/proc/net/unix', 'Num\n1: 2 3 4 5 6 7 @oxmem-bdev eth0 04:00:00:00:00:01\n');
    expect(await rig.run('detach', '/dev/nbd0')).toBe(4);
    expect(complaint()).toMatch(/served by an oxmem-bdev .* no record.*--force\.$/);
    expect(await rig.run('detach', '--force', '/dev/nbd0')).toBe(0);
    expect(rig.kernel.device(0).pid).toBeUndefined();
  });

  it('has nothing to do for a device that is not attached', async () => {
    writeRecord(rig.record(0, DRIVER), rig.folder);
    expect(await rig.run('detach', '/dev/nbd0')).toBe(0);
    expect(rig.printed).toEqual(['/dev/nbd0 is not attached']);
    expect(readdirSync(rig.folder)).toEqual([]);
  });

  it.each([
    ['/dev/sda', 'ERR_NBD_NO_DEVICE'],
    ['/dev/nbd77', 'ERR_NBD_NO_DEVICE'],
  ])('refuses %s', async (device, code) => {
    await expect(rig.run('detach', device)).rejects.toMatchObject({ code });
  });
});
