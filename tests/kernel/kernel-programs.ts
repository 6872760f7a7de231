/** Programs on the test kernel, with its patience, and what the kernel says of a device. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { kernelTestCommands } from '../../scripts/debian-packages.mjs';
import { runClient, runProgram } from '../lab-program.ts';

/** For one program inside the guest: emulation is slow, and nobody judges its speed. */
export const PATIENCE_MS = 240_000;

/** Every Debian has these. */
const essential = ['dd', 'sh', 'sync', 'cmp'];

/**
 * Runs a program that has to succeed, with the guest's patience.
 *
 * @returns its standard output
 * @throws Error with all that it printed; also when no package is known that brings the program, for
 *   a clean machine would lack it
 */
export async function runInTime(...argv: readonly string[]): Promise<string> {
  const [program = ''] = argv;
  if (!essential.includes(program) && !kernelTestCommands.includes(program)) {
    throw new Error(`${program} is missing in scripts/debian-packages.mjs`);
  }
  return await runClient(argv, { timeoutMs: PATIENCE_MS });
}

/** Whether the kernel says that somebody serves the device. */
export function isAttached(device: string): boolean {
  return existsSync(`/sys/block/${device.replace('/dev/', '')}/pid`);
}

/**
 * Has the kernel disconnect a device, whoever serves it; harmless when nobody does. It is free when
 * its users have let go of it.
 */
export async function disconnect(device: string): Promise<void> {
  // Where the netlink interface is not to be seen, nbd-client has to be told so.
  for (const way of [[], ['-nonetlink']]) {
    if (!isAttached(device)) return;
    await runProgram(['nbd-client', ...way, '-d', device], { timeoutMs: PATIENCE_MS });
  }
}

/**
 * Devices that nobody uses.
 *
 * @param count how many, one after the other
 * @throws Error when there are not so many
 */
export function freeDevices(count: number): string[] {
  const names = readdirSync('/sys/block').filter((name) => /^nbd\d+$/.test(name));
  const indexes = new Set(names.filter(isFree).map((name) => Number(name.slice(3))));
  const first = [...indexes]
    .toSorted((left, right) => left - right)
    .find((index) => Array.from({ length: count }).every((_, more) => indexes.has(index + more)));
  if (first === undefined) throw new Error(`no ${count} free NBD devices in a row`);
  return Array.from({ length: count }, (_, more) => `/dev/nbd${first + more}`);
}

function isFree(name: string): boolean {
  const size = readFileSync(`/sys/block/${name}/size`, 'utf8').trim();
  return size === '0' && !isAttached(`/dev/${name}`);
}

/** Bytes, as the kernel has it. */
export async function sizeOf(device: string): Promise<number> {
  return Number(await runInTime('blockdev', '--getsize64', device));
}

/** Waits until udev, where it runs, has looked at what is new. */
export async function settle(): Promise<void> {
  if (existsSync('/run/udev/control')) await runInTime('udevadm', 'settle', '--timeout=120');
}

/** Asks again and again. */
export async function until(
  what: string,
  check: () => boolean | Promise<boolean>,
  limitMs = 60_000,
): Promise<void> {
  const deadlineMs = performance.now() + limitMs;
  while (!(await check())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
