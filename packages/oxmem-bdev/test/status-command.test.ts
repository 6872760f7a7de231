import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { DeviceStatus, StatusReport } from '../src/commands/status/device-status.ts';
import { statusLines } from '../src/commands/status/status-table.ts';
import { toldDriver } from './told-driver.ts';
import { CommandRig } from './command-rig.ts';

const MAC = '04:00:00:00:00:01';

describe('oxmem-bdev status', () => {
  let rig: CommandRig;
  beforeEach(() => {
    rig = new CommandRig();
  });
  afterEach(() => rig.close());

  async function report(): Promise<StatusReport> {
    expect(await rig.run('status', '--json')).toBe(0);
    return JSON.parse(rig.printed.join('\n')) as StatusReport;
  }

  async function only(): Promise<DeviceStatus> {
    const { devices } = await report();
    expect(devices).toHaveLength(1);
    return devices[0] as DeviceStatus;
  }

  it('shows what is known of a device that an oxmem-bdev serves', async () => {
    rig.startDriver(700, 1);
    const device = rig.kernel.device(1);
    device.mounts.push({ source: '/dev/nbd1', target: '/mnt/a b' });
    device.holders.push('dm-0');
    device.open({ pid: 5, command: 'dd' });
    expect(await report()).toEqual({
      moduleLoaded: true,
      exports: [],
      devices: [
        {
          device: '/dev/nbd1',
          sizeBytes: 2 ** 24,
          readOnly: false,
          server: { kind: 'oxmem-bdev', pid: 700, command: 'oxmem-bdev', waitsForSuccessor: false },
          endpoint: MAC,
          base: '0x1000000',
          netdev: 'eth0',
          way: 'netlink',
          blockBytes: 4096,
          partitions: [],
          mounts: [{ source: '/dev/nbd1', target: '/mnt/a b' }],
          swaps: [],
          holders: ['dm-0'],
          openers: [{ pid: 5, command: 'dd' }],
        },
      ],
      free: 3,
    });
  });

  it('does not count the server of a device among those who use it', async () => {
    rig.startDriver(700, 0);
    rig.attach(0, 700, 'ioctl').open({ pid: 700, command: 'node' });
    const status = await only();
    expect(status).toMatchObject({ way: 'ioctl', server: { kind: 'oxmem-bdev', pid: 700 } });
    expect(status.openers).toEqual([]);
  });

  it('shows a device whose driver has died as one that waits for a successor', async () => {
    rig.attach(0, 700);
    rig.processes.set(700, { startTime: 5, command: 'another' });
    expect(await only()).toMatchObject({
      server: { kind: 'none', pid: 700, command: null, waitsForSuccessor: true },
      endpoint: MAC,
    });
  });

  it('shows one that a driver has let go of, and that is still open, as nobody’s', async () => {
    rig.attach(0, 700).open({ pid: 5, command: 'dd' });
    rig.forgetRecord(0);
    expect((await only()).server).toMatchObject({ kind: 'none', waitsForSuccessor: false });
  });

  it('shows the device of another program with what the kernel says', async () => {
    const device = rig.attach(0, 700);
    device.config = { ...device.config!, backendIdentifier: undefined, flags: 3 };
    rig.processes.set(700, { startTime: 5, command: 'nbd-client' });
    rig.forgetRecord(0);
    expect(await only()).toMatchObject({
      server: { kind: 'program', pid: 700, command: 'nbd-client', waitsForSuccessor: false },
      readOnly: true,
      endpoint: null,
      way: null,
    });
  });

  it('says which record cannot be read, and goes on without it', async () => {
    rig.startDriver(700, 0);
    writeFileSync(join(rig.folder, 'nbd0.json'), '{"pid":');
    expect((await only()).endpoint).toBeNull();
    expect(rig.complaints).toEqual([
      `${join(rig.folder, 'nbd0.json')} is left aside: it is not the record of a device.`,
    ]);
  });

  it('says in a line that nothing is attached', async () => {
    expect(await rig.run('status')).toBe(0);
    expect(rig.printed).toEqual(['No NBD device is attached; 4 devices are free.']);
  });

  it('says that there is no module, and what to do', async () => {
    rig.kernel.isModuleLoaded = false;
    expect(await rig.run('status')).toBe(0);
    expect(rig.printed.join()).toContain('sudo modprobe nbd max_part=8');
    rig.printed.length = 0;
    expect(await report()).toEqual({ moduleLoaded: false, devices: [], free: 0, exports: [] });
  });

  it('shows exports before devices, with their driver and how its endpoint fares', async () => {
    rig.told = [toldDriver({ pid: 77, place: 'unix:/run/x.sock', endpoint_state: 'lost' })];
    expect(await rig.run('status')).toBe(0);
    expect(rig.printed).toEqual([
      'EXPORT            SIZE   SERVED BY        ENDPOINT           BASE  NETDEV  STATE',
      'unix:/run/x.sock  64MiB  oxmem-bdev (77)  04:00:00:00:00:01  0x0   eth0    lost',
      '',
      'No NBD device is attached; 4 devices are free.',
    ]);
    rig.printed.length = 0;
    expect((await report()).exports).toEqual([
      {
        place: 'unix:/run/x.sock',
        names: ['oxmem'],
        sizeBytes: 2 ** 26,
        pid: 77,
        endpoint: MAC,
        base: '0x0',
        netdev: 'eth0',
        state: 'lost',
      },
    ]);
    rig.told = [toldDriver({ place: null })];
    rig.printed.length = 0;
    expect((await report()).exports).toEqual([]);
  });

  it('puts columns below each other, as many lines as devices and two', async () => {
    rig.startDriver(700, 0, 1);
    rig.attach(2, 12345);
    rig.kernel.device(0).mounts.push({ source: '/dev/nbd0', target: '/mnt' });
    expect(await rig.run('status')).toBe(0);
    expect(rig.printed).toEqual([
      'DEVICE     SIZE   MODE  SERVED BY                       ENDPOINT           BASE       NETDEV  WAY      PARTS  USED BY',
      '/dev/nbd0  16MiB  rw    oxmem-bdev (700)                04:00:00:00:00:01  0x0000000  eth0    netlink  -      /mnt',
      '/dev/nbd1  16MiB  rw    oxmem-bdev (700)                04:00:00:00:00:01  0x1000000  eth0    netlink  -      -',
      '/dev/nbd2  16MiB  rw    nobody (waits for a successor)  04:00:00:00:00:01  0x2000000  eth0    netlink  -      -',
      '1 device is free.',
    ]);
  });
});

describe('the table of devices', () => {
  it('names swap, devices on top, programs and partitions', () => {
    const lines = statusLines({
      moduleLoaded: true,
      free: 0,
      exports: [],
      devices: [
        {
          device: '/dev/nbd0',
          sizeBytes: 2 ** 33,
          readOnly: true,
          server: { kind: 'program', pid: 9, command: null, waitsForSuccessor: false },
          endpoint: null,
          base: null,
          netdev: null,
          way: null,
          blockBytes: null,
          partitions: ['nbd0p1', 'nbd0p2'],
          mounts: [],
          swaps: ['/dev/nbd0p1'],
          holders: ['md0'],
          openers: [{ pid: 5, command: 'dd' }],
        },
      ],
    });
    expect(lines[1]?.split(/ {2,}/)).toEqual([
      '/dev/nbd0',
      '8GiB',
      'ro',
      'a program that has ended (9)',
      '-',
      '-',
      '-',
      '-',
      '2',
      'swap on /dev/nbd0p1, md0, dd (5)',
    ]);
  });
});
