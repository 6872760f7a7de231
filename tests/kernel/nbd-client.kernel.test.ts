/** The kernel's own NBD client on the driver's export, attached by nbd-client. */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { OxmemLab } from '../oxmem-lab.ts';
import type { LabDriver } from '../oxmem-lab.ts';
import { describeRequiring, itRequiring } from '../requires.ts';
import { deviceNeeds, patientDriver } from './device-lab.ts';
import {
  disconnect,
  freeDevices,
  isAttached,
  PATIENCE_MS,
  runInTime,
  settle,
  sizeOf,
  until,
} from './kernel-programs.ts';

const MIB = 2 ** 20;

describeRequiring(deviceNeeds, 'the export of the driver', () => {
  let lab: OxmemLab;
  let driver: LabDriver;
  let device = '';
  beforeAll(async () => {
    lab = await OxmemLab.open({ patienceMs: PATIENCE_MS });
    await lab.startEndpoint('64M');
    driver = await lab.startDriver({ args: patientDriver });
    device = freeDevices(1)[0]!;
  });
  afterEach(async () => {
    if (isAttached(device)) await detach();
  });
  afterAll(async () => {
    await lab.close();
  });

  itRequiring(['nbd-netlink'], 'is attached by netlink, detached, and attached again', async () => {
    await attachTwice([]);
  });
  it('is attached by ioctl, detached, and attached again', async () => {
    await attachTwice(['-nonetlink']);
  });

  /** What is written through the first attachment is there in the second. */
  async function attachTwice(options: readonly string[]): Promise<void> {
    await attach(options);
    expect(await sizeOf(device)).toBe(64 * MIB);
    expect((await runInTime('blockdev', '--getss', device)).trim()).toBe('4096');
    const pattern = randomBytes(MIB);
    const file = lab.path('pattern');
    writeFileSync(file, pattern);
    await runInTime('dd', `if=${file}`, `of=${device}`, 'bs=1M', 'seek=63', 'oflag=direct');
    await detach();
    expect(await sizeOf(device)).toBe(0);
    // A second attachment has nothing of it in a cache.
    await attach(options);
    const back = lab.path('back');
    await runInTime('dd', `if=${device}`, `of=${back}`, 'bs=1M', 'skip=63', 'iflag=direct');
    expect(readFileSync(back).equals(pattern)).toBe(true);
    await detach();
  }

  /** By netlink it returns when the device is up; with ioctl a process stays behind. */
  async function attach(options: readonly string[]): Promise<void> {
    const argv = ['nbd-client', '-unix', driver.socketPath, device, '-block-size', '4096'];
    await runInTime(...argv, ...options);
    await until(`${device} has a size`, async () => (await sizeOf(device)) > 0);
    await settle();
  }

  async function detach(): Promise<void> {
    await disconnect(device);
    await until(`${device} is free`, () => !isAttached(device));
    await settle();
  }
});
