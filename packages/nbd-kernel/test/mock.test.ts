import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import { RETRY_DELAYS_MILLIS, attachDevice } from '../src/index.ts';
import type { AttachOptions, DeviceClock } from '../src/index.ts';
import { MockKernel } from '../src/mock/index.ts';
import { bindingContract } from './binding-contract.ts';
import { MemoryServer } from './memory-server.ts';
import { makeMockRig } from './mock-rig.ts';

const SIZE_BYTES = 1024 * 1024;

bindingContract('mock', ['netlink', 'ioctl'], makeMockRig);

function attach(kernel: MockKernel, more: Partial<AttachOptions> = {}) {
  const server = new MemoryServer(SIZE_BYTES);
  const options = { device: '/dev/nbd0', sizeBytes: SIZE_BYTES, flags: server.flags };
  return attachDevice({ ...options, onStream: server.onStream, ...more }, kernel.machine);
}

describe('attachDevice', () => {
  test('says how to load the module when it is missing', async () => {
    const kernel = new MockKernel();
    kernel.isModuleLoaded = false;
    const attempt = attach(kernel);
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_NBD_NO_MODULE' });
    await expect(attempt).rejects.toThrow('sudo modprobe nbd max_part=8');
  });

  test('names the devices there are when asked for another', async () => {
    const attempt = attach(new MockKernel(), { device: '/dev/nbd9', attach: 'ioctl' });
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_NBD_NO_DEVICE' });
    await expect(attempt).rejects.toThrow('/dev/nbd0, /dev/nbd1, /dev/nbd2, /dev/nbd3');
  });

  for (const device of ['/dev/sda', '/dev/nbd0p1', 'nbd0', '/dev/nbd01', '']) {
    test(`refuses "${device}", which is no NBD device`, async () => {
      const attempt = attach(new MockKernel(), { device });
      await expect(attempt).rejects.toMatchObject({ code: 'ERR_NBD_NO_DEVICE' });
    });
  }

  test('tells what is missing without the capability', async () => {
    for (const way of ['netlink', 'ioctl'] as const) {
      const kernel = new MockKernel();
      kernel.isPermitted = false;
      const attempt = attach(kernel, { attach: way });
      await expect(attempt).rejects.toMatchObject({ code: 'ERR_NBD_PERMISSION', errno: 1 });
      await expect(attempt).rejects.toThrow(/CAP_SYS_ADMIN.*sudo/);
    }
  });

  test('tells of sudo and the disk group when the node may not be opened', async () => {
    const kernel = new MockKernel();
    kernel.isNodeAccessible = false;
    const attempt = attach(kernel, { attach: 'ioctl' });
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_NBD_PERMISSION', errno: 13 });
    await expect(attempt).rejects.toThrow(/sudo.*disk group/);
  });

  test('falls back to ioctl where netlink is out of sight, unless netlink was asked for', async () => {
    const kernel = new MockKernel();
    kernel.hasNetlink = false;
    const device = await attach(kernel);
    expect(device.way).toBe('ioctl');
    await device.detach();
    const attempt = attach(kernel, { attach: 'netlink' });
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_NBD_NO_NETLINK' });
  });

  for (const way of ['netlink', 'ioctl'] as const) {
    test(`touches no device that is mounted, swap space, or below another one (${way})`, async () => {
      const kernel = new MockKernel();
      const device = kernel.device(0);
      device.mounts.push({ source: '/dev/nbd0', target: '/mnt/my data' });
      await expect(attach(kernel, { attach: way })).rejects.toThrow(
        'mounted on /mnt/my data. Release it with `sudo umount /mnt/my data`',
      );
      device.mounts.length = 0;
      device.swaps.push('/dev/nbd0');
      await expect(attach(kernel, { attach: way })).rejects.toThrow('sudo swapoff /dev/nbd0');
      device.swaps.length = 0;
      device.holders.push('dm-0');
      await expect(attach(kernel, { attach: way })).rejects.toThrow('in use by dm-0');
      expect(device.hasSockets).toBe(false);
    });
  }

  test('waits for udev to close the node, with growing pauses', async () => {
    const clock = new CountingClock();
    const kernel = new MockKernel({ clock });
    const close = kernel.device(0).open({ pid: 99, command: 'udev-worker' });
    clock.onPause = (count) => count === 3 && close();
    const device = await attach(kernel, { attach: 'netlink' });
    expect(clock.pauses.slice(0, 3)).toEqual(RETRY_DELAYS_MILLIS.slice(0, 3));
    expect(device.state).toBe('serving');
    await device.detach();
  });

  test('gives up after all its pauses and names who has the node open', async () => {
    const clock = new CountingClock();
    const kernel = new MockKernel({ clock });
    kernel.device(0).open({ pid: 99, command: 'blkid' });
    const attempt = attach(kernel, { attach: 'netlink' });
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_NBD_BUSY', errno: 16 });
    await expect(attempt).rejects.toThrow('open in blkid (process 99)');
    expect(clock.pauses).toEqual(RETRY_DELAYS_MILLIS);
  });

  test('gives up at once when its owner does', async () => {
    const kernel = new MockKernel();
    const attempt = attach(kernel, { signal: AbortSignal.abort() });
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_NBD_ABORTED' });
    expect(kernel.device(0).hasSockets).toBe(false);
  });

  test('takes another device when somebody has the first, and says so when all are taken', async () => {
    const kernel = new MockKernel({ devices: 2 });
    const first = await attach(kernel, { device: 'auto', attach: 'ioctl' });
    const second = await attach(kernel, { device: 'auto', attach: 'ioctl' });
    expect([first.index, second.index]).toEqual([0, 1]);
    const third = attach(kernel, { device: 'auto', attach: 'ioctl' });
    await expect(third).rejects.toMatchObject({ code: 'ERR_NBD_BUSY' });
    await Promise.all([first.detach(), second.detach()]);
  });

  test('refuses a device by ioctl that a finished attachment left to other openers', async () => {
    const kernel = new MockKernel();
    const device = await attach(kernel, { attach: 'ioctl' });
    kernel.device(0).open({ pid: 99, command: 'mount' });
    await device.detach({ releaseMillis: 10 });
    await expect(attach(kernel, { attach: 'ioctl' })).rejects.toMatchObject({
      code: 'ERR_NBD_BUSY',
    });
  });

  test('refuses options that no kernel could fulfil before it looks at anything', async () => {
    const wrong: Partial<AttachOptions>[] = [
      { blockBytes: 256 },
      { blockBytes: 3000 },
      { blockBytes: 8192 },
      { sizeBytes: 0 },
      { sizeBytes: 4097 },
      { sizeBytes: 2 ** 60 },
      { flags: -1 },
      { timeoutSeconds: Number.NaN },
      { connections: 0 },
      { connections: 2, flags: 1 },
    ];
    for (const options of wrong) {
      await expect(attach(new MockKernel(), options)).rejects.toThrow(RangeError);
    }
  });
});

describe('NbdDevice', () => {
  test('tells a signal and a stop from other ends', async () => {
    const ends = { EINTR: 'interrupted', EBUSY: 'stopped' } as const;
    for (const name of ['EINTR', 'EBUSY'] as const) {
      const kernel = new MockKernel();
      const device = await attach(kernel, { attach: 'ioctl' });
      kernel.device(0).interrupt(constants.errno[name]);
      const errno = constants.errno[name];
      expect(await device.ended).toMatchObject({ reason: ends[name], errno });
      expect(await device.detach()).toMatchObject({ isReleased: true });
    }
  });

  test('tells a connection that the kernel dropped from one that the server closed', async () => {
    for (const way of ['netlink', 'ioctl'] as const) {
      const kernel = new MockKernel();
      const device = await attach(kernel, { attach: way });
      kernel.device(0).dropConnections();
      expect(await device.ended).toMatchObject({ reason: 'connectionLost' });
      expect(await device.detach()).toMatchObject({ isReleased: true });
    }
  });

  test('hears what the kernel said last also when NBD_DO_IT has returned before', async () => {
    let isLate = false;
    const kernel = new MockKernel({
      schedule: (run) => void setImmediate(isLate ? () => setImmediate(run) : run),
    });
    const server = new MemoryServer(SIZE_BYTES);
    const device = await attach(kernel, { attach: 'ioctl', onStream: server.onStream });
    server.device = device;
    isLate = true;
    kernel.device(0).sayDisconnect();
    isLate = false;
    kernel.device(0).dropConfiguration();
    expect(await device.ended).toMatchObject({ reason: 'disconnectedElsewhere' });
    expect(await device.detach()).toMatchObject({ isReleased: true });
  });

  test('does not disconnect a device that has become somebody else’s', async () => {
    const kernel = new MockKernel();
    const device = await attach(kernel, { attach: 'netlink' });
    kernel.device(0).disconnectNow();
    await device.ended;
    const other = await attach(kernel, { attach: 'netlink' });
    kernel.device(0).pid = 4711;
    expect(await device.detach()).toMatchObject({ isReleased: true });
    expect(other.state).toBe('serving');
    await other.detach();
  });

  test('has the page cache written before it disconnects', async () => {
    const kernel = new MockKernel();
    const device = await attach(kernel);
    expect(await device.detach()).toMatchObject({ isFlushed: true });
    expect(kernel.device(0).flushes).toBe(1);
  });
});

/** Pauses of the machine's length in no time; remembers the long ones. */
class CountingClock implements DeviceClock {
  readonly pauses: number[] = [];
  onPause: (count: number) => unknown = () => undefined;

  after(millis: number, run: () => void): () => void {
    const isPause = RETRY_DELAYS_MILLIS.includes(millis);
    if (!isPause) {
      const timer = setTimeout(run, millis);
      return () => clearTimeout(timer);
    }
    this.pauses.push(millis);
    this.onPause(this.pauses.length);
    setImmediate(run);
    return () => undefined;
  }
}
