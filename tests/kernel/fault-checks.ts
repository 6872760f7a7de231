/** For tests in which something goes wrong: what is under way before, and what is left behind. */
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { DeviceDriver, DeviceLab } from './device-lab.ts';
import { isAttached, runInTime, settle, sizeOf, until } from './kernel-programs.ts';
import { checksums, fioVerify, lightExt4, writeTree } from './workloads.ts';
import type { Checksums } from './workloads.ts';

const MIB = 2 ** 20;
/** Where drivers keep what a successor needs. */
const RECORD_FOLDER = '/run/oxmem';
/** For the kernel to notice what it has to notice at once, with emulation's patience. */
const SOON_MS = 30_000;

/** A filesystem with files in it, mounted from a device. */
export interface MountedFiles {
  readonly folder: string;
  /** Of what is in `tree` below the folder. */
  readonly sums: Checksums;
}

/** Makes a filesystem on the device, mounts it, and puts files in it that the disk may not have. */
export async function mountFiles({ lab }: DeviceLab, path: string): Promise<MountedFiles> {
  const folder = lab.path('mount');
  mkdirSync(folder, { recursive: true });
  await runInTime(...lightExt4.make, path);
  await runInTime('mount', '-t', lightExt4.name, path, folder);
  writeTree(join(folder, 'tree'));
  return { folder, sums: checksums(join(folder, 'tree')) };
}

/** A load on a device, or on a file of a filesystem on it. */
export interface FaultLoad {
  /** Rejected when the load got an error, or read something else than it had written. */
  readonly end: Promise<unknown>;
}

/**
 * Starts a load of which all is written past the page cache, read back and compared, and waits until
 * it is under way. It takes eight seconds at least, so whatever is done next hits it.
 *
 * @param target  the device, or a file on it
 */
export async function startLoad(
  { lab }: DeviceLab,
  path: string,
  target: string = path,
): Promise<FaultLoad> {
  const before = writesDone(path);
  const bytes = 4 * MIB;
  const end = fioVerify(target, { bytes, bytesPerSecond: bytes / 8, folder: lab.folder });
  // Whoever awaits it learns of it; until then it is nobody's fault.
  end.catch(() => undefined);
  await until('the load is under way', () => writesDone(path) > before + 10);
  return { end };
}

/**
 * Sees that nothing is written for some time, and nobody told that it failed.
 *
 * @param settleMs  what was on its way may still arrive meanwhile
 */
export async function seeStandstill(path: string, settleMs: number, forMs: number): Promise<void> {
  await pause(settleMs);
  const before = writesDone(path);
  await pause(forMs);
  expect(writesDone(path), 'writes done').toBe(before);
}

/** Waits until a load that had stood still has written something more. */
export async function seeProgress(path: string): Promise<void> {
  const before = writesDone(path);
  await until('the load goes on', () => writesDone(path) > before);
}

/** Writes that the kernel has completed on a device since the machine was started. */
function writesDone(path: string): number {
  const fields = readFileSync(`/sys/block/${path.replace('/dev/', '')}/stat`, 'utf8').trim();
  return Number(fields.split(/\s+/)[4]);
}

/** Processes, not the kernel's own threads, that sleep and cannot be woken: command and number. */
export function stuckProcesses(): string[] {
  const names = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return names.flatMap((pid) => {
    const [, command = '', state, parent] = /\((.*)\) (\w) (\d+)/.exec(statOf(pid)) ?? [];
    return state === 'D' && parent !== KTHREADD && pid !== KTHREADD ? [`${command} ${pid}`] : [];
  });
}

/** Waits until a program sleeps in the kernel, for an answer that does not come. */
export async function untilStuck(command: string): Promise<void> {
  await until(`${command} waits`, () => stuckProcesses().some((it) => it.startsWith(command)));
}

/**
 * The device is as if nobody had ever used it: nothing waits, nothing is left of its driver, and
 * another program can attach it and take it off again.
 */
export async function expectFreeAgain(path: string): Promise<void> {
  const name = path.replace('/dev/', '');
  await until(`${path} is free`, () => !isAttached(path), SOON_MS);
  await until('nobody is stuck', () => stuckProcesses().length === 0, SOON_MS);
  await settle();
  expect(await sizeOf(path)).toBe(0);
  expect(recordsOf(path)).toEqual([]);
  const attach = `nbd-client -unix "$unixsocket" ${path} -block-size 4096 >/dev/null`;
  const script = `${attach} && blockdev --getsize64 ${path} && cat /sys/block/${name}/pid`;
  const detach = `nbd-client -d ${path} >/dev/null`;
  const nbdkit = ['nbdkit', '-U', '-', 'memory', '1M', '--run'];
  const said = await runInTime(...nbdkit, `${script}; code=$?; ${detach}; exit $code`);
  expect(said).toMatch(new RegExp(`^${MIB}\n\\d+\n`, 'm'));
  await until(`${path} is free again`, () => !isAttached(path), SOON_MS);
  await settle();
}

/** Names of the files that drivers of a device have left to a successor. */
export function recordsOf(path: string): string[] {
  if (!existsSync(RECORD_FOLDER)) return [];
  const start = `${path.replace('/dev/', '')}.`;
  return readdirSync(RECORD_FOLDER).filter((name) => name.startsWith(start));
}

/** Unmounts what a test was about, finds the filesystem clean and its files as they were. */
export async function expectFilesIntact(
  { path }: DeviceDriver,
  { folder, sums }: MountedFiles,
): Promise<void> {
  await lightExt4.check(path);
  await runInTime('mount', '-t', lightExt4.name, '-o', 'ro', path, folder);
  expect(checksums(join(folder, 'tree'))).toEqual(sums);
  await runInTime('umount', folder);
}

export function pause(millis: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis));
}

function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return '';
  }
}

/** The kernel's threads are its children. */
const KTHREADD = '2';
