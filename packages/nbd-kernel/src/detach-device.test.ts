import { describe, expect, test } from 'vitest';
import { detachDevice } from './detach-device.ts';
import { NbdDeviceError } from './errors.ts';
import { MockKernel } from './mock/index.ts';
import type { NbdMachine } from './nbd-machine.ts';

/** A device whose server has died without a word, and that waits for a successor. */
function orphan(kernel: MockKernel): void {
  const device = kernel.device(1);
  device.way = 'netlink';
  device.pid = 4711;
  device.config = {
    sizeBytes: 65536,
    blockBytes: 4096,
    flags: 1,
    timeoutSeconds: 0,
    deadConnectionSeconds: 30,
    backendIdentifier: 'me',
  };
}

describe('detachDevice', () => {
  test('ends a device that waits for a successor, and the I/O on it', async () => {
    const kernel = new MockKernel();
    orphan(kernel);
    const reading = kernel
      .device(1)
      .read(0, 4096)
      .then(
        () => 'data',
        () => 'error',
      );
    const outcome = await detachDevice('/dev/nbd1', {}, kernel.machine);
    expect(outcome).toMatchObject({ wasAttached: true, isReleased: true });
    expect(outcome.facts.attachedPid).toBeUndefined();
    expect(await reading).toBe('error');
  });

  test('does it by ioctl where netlink is out of sight', async () => {
    const kernel = new MockKernel();
    orphan(kernel);
    kernel.hasNetlink = false;
    const outcome = await detachDevice('/dev/nbd1', { drainMillis: 10 }, kernel.machine);
    expect(outcome).toMatchObject({ wasAttached: true, isReleased: true });
  });

  test('finds nothing to do for a device that is not attached', async () => {
    const { machine } = new MockKernel();
    expect(await detachDevice('/dev/nbd1', {}, machine)).toMatchObject({
      wasAttached: false,
      isReleased: true,
    });
  });

  test('leaves a device alone that somebody uses, and says who and how to end that', async () => {
    const kernel = new MockKernel();
    orphan(kernel);
    kernel.device(1).mounts.push({ source: '/dev/nbd1', target: '/mnt/x' });
    const failure = await failureOf('/dev/nbd1', kernel.machine);
    expect(failure).toMatchObject({ code: 'ERR_NBD_BUSY' });
    expect(failure.message).toMatch(/mounted on \/mnt\/x.*`sudo umount \/mnt\/x`/);
    expect(kernel.device(1).pid).toBe(4711);
  });

  test('leaves a device alone whose filesystem is not written to the end', async () => {
    const kernel = new MockKernel();
    orphan(kernel);
    kernel.device(1).isUnmounting = true;
    const failure = await failureOf('/dev/nbd1', kernel.machine);
    expect(failure).toMatchObject({ code: 'ERR_NBD_BUSY' });
    expect(kernel.device(1).pid).toBe(4711);
  });

  test('takes it from them by force, and says who keeps it from being released', async () => {
    const kernel = new MockKernel();
    orphan(kernel);
    const device = kernel.device(1);
    device.mounts.push({ source: '/dev/nbd1', target: '/mnt/x' });
    const close = device.open({ pid: 99, command: 'cat' });
    const options = { force: true, releaseMillis: 20 };
    const outcome = await detachDevice('/dev/nbd1', options, kernel.machine);
    expect(outcome).toMatchObject({ wasAttached: true, isReleased: false });
    expect(outcome.facts.openers).toEqual([{ pid: 99, command: 'cat' }]);
    close();
    expect(device.pid).toBeUndefined();
  });

  test.each([
    ['/dev/sda', 'ERR_NBD_NO_DEVICE', /not an NBD device/],
    ['/dev/nbd1p1', 'ERR_NBD_NO_DEVICE', /not an NBD device/],
    ['/dev/nbd99', 'ERR_NBD_NO_DEVICE', /no device \/dev\/nbd99 here/],
  ])('refuses %s', async (path, code, sentence) => {
    const failure = await failureOf(path, new MockKernel().machine);
    expect(failure).toMatchObject({ code });
    expect(failure.message).toMatch(sentence);
  });

  test('says that the module is missing', async () => {
    const kernel = new MockKernel();
    kernel.isModuleLoaded = false;
    expect(await failureOf('/dev/nbd1', kernel.machine)).toMatchObject({
      code: 'ERR_NBD_NO_MODULE',
    });
  });

  test.each([true, false])('says that it may not (netlink: %s)', async (hasNetlink) => {
    const kernel = new MockKernel();
    orphan(kernel);
    kernel.isPermitted = false;
    kernel.hasNetlink = hasNetlink;
    const failure = await failureOf('/dev/nbd1', kernel.machine);
    expect(failure).toMatchObject({ code: 'ERR_NBD_PERMISSION' });
    expect(failure.message).toMatch(/^Detaching \/dev\/nbd1 needs .*CAP_SYS_ADMIN/);
    expect(kernel.device(1).pid).toBe(4711);
  });
});

async function failureOf(path: string, machine: NbdMachine): Promise<NbdDeviceError> {
  try {
    await detachDevice(path, { drainMillis: 10 }, machine);
  } catch (thrown) {
    if (thrown instanceof NbdDeviceError) return thrown;
    throw thrown;
  }
  throw new Error('it was detached');
}
