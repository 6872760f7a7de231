/**
 * A kernel block device on remote memory, for the tests that run in the guest: the project's own
 * endpoint and driver over a veth pair, and the driver's NBD export attached to /dev/nbdN.
 */
import { existsSync, readFileSync } from 'node:fs';
import { runClient, runProgram } from '../lab-program.ts';
import { driverCommand, endpointCommand } from '../oxmem-lab.ts';
import type { LabDriver, OxmemLab } from '../oxmem-lab.ts';

/** For one program inside the guest: emulation is slow, and nobody judges its speed. */
export const PATIENCE_MS = 240_000;

/** How nbd-client talks to the kernel. */
export type AttachWay = 'netlink' | 'ioctl';

/** Who listens where. */
export type Exported = Pick<LabDriver, 'socketPath'>;

/** For drivers in the guest, where a start takes seconds and a frame may wait for its processor. */
export const patientDriver = ['--open-timeout=30s', '--request-timeout=30s'] as const;

/** Runs a program that has to succeed, with the guest's patience. */
export async function runInTime(...argv: readonly string[]): Promise<string> {
  return await runClient(argv, { timeoutMs: PATIENCE_MS });
}

/**
 * Starts endpoint and driver at two places of the lab, which a bridge joins. Their frames go past the
 * queueing discipline of the interface they are sent on; the ports of the bridge, `wirePorts`, send
 * what they forward through theirs, so that is where netem does its work.
 *
 * @param lab opened with two places
 */
export async function startAcrossBridge(lab: OxmemLab, size: string): Promise<Exported> {
  const [near, far] = [lab.place(0), lab.place(1)];
  const endpoint = lab.start([...endpointCommand, `--netdev=${far.name}`, `--size=${size}`]);
  await endpoint.waitFor('stdout', /^ready: endpoint .*$/m, PATIENCE_MS);
  const socketPath = lab.path('bridged.sock');
  const driver = lab.start([
    ...driverCommand,
    `--netdev=${near.name}`,
    `--mac=${far.mac}`,
    `--size=${size}`,
    `--listen=unix:${socketPath}`,
    ...patientDriver,
  ]);
  await driver.waitFor('stdout', /^ready: .*$/m, PATIENCE_MS);
  return { socketPath };
}

/** The ports of a lab's bridge, in its second namespace. */
export function wirePorts(lab: OxmemLab): string[] {
  return lab.wire.locals.map((_, index) => `${lab.wire.peer.name}p${index}`);
}

/**
 * Attaches the driver's export to a kernel device by nbd-client, and waits until it is there.
 *
 * @param way netlink returns when the device is up; with ioctl a process stays behind
 */
export async function attach(
  { socketPath }: Exported,
  device: string,
  way: AttachWay,
): Promise<void> {
  const argv = ['nbd-client', '-unix', socketPath, device, '-block-size', '4096'];
  await runInTime(...argv, ...(way === 'ioctl' ? ['-nonetlink'] : []));
  await until(`${device} has a size`, async () => (await sizeOf(device)) > 0);
  await settle();
}

/** Detaches, and waits until the kernel has let go of it. */
export async function detach(device: string): Promise<void> {
  await runInTime('nbd-client', '-d', device);
  await until(`${device} is free`, () => Promise.resolve(!isAttached(device)));
}

/** Whether the kernel says that somebody serves the device. */
export function isAttached(device: string): boolean {
  return existsSync(`/sys/block/${device.replace('/dev/', '')}/pid`);
}

/** Bytes, as the kernel has it. */
export async function sizeOf(device: string): Promise<number> {
  return Number(await runInTime('blockdev', '--getsize64', device));
}

/** Waits until udev, where it runs, has looked at what is new. */
export async function settle(): Promise<void> {
  if (existsSync('/run/udev/control')) await runInTime('udevadm', 'settle', '--timeout=120');
}

/** Unmounts what is mounted below a folder or from a device; harmless when nothing is. */
export async function unmountAll(place: string): Promise<void> {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  const own = mounts.map((line) => line.split(' ')).filter((words) => words.includes(place));
  for (const [, target = ''] of own.toReversed()) await runProgram(['umount', target]);
}

async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  while (!(await check())) {
    if (performance.now() > deadlineMs) throw new Error(`not within a minute: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
