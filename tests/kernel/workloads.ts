/** What people do with a block device, as functions of its path: whoever attached it. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { runProgram } from '../lab-program.ts';
import { PATIENCE_MS, runInTime } from './kernel-programs.ts';

const MIB = 2 ** 20;

/** SHA-256 by file name. */
export type Checksums = Readonly<Record<string, string>>;

/** How hard fio works; all that it writes is read back and compared. */
export interface FioOptions {
  /** Bytes of the target, from its beginning, each written once. */
  readonly bytes: number;
  /** Requests open at a time. Default 8. */
  readonly depth?: number;
  /** Shortest and longest request. Default 4k-64k. */
  readonly sizes?: string;
  /** Bytes written in a second at most; 0, the default: as many as it gets done. */
  readonly bytesPerSecond?: number;
  /** Where fio keeps its own files. */
  readonly folder: string;
}

/** What fio has seen. */
export interface FioSum {
  /** The quickest read, in milliseconds. */
  readonly leastReadMs: number;
}

/** Random writes of mixed sizes to a device or a file, then all of it read and verified. */
export async function fioVerify(target: string, options: FioOptions): Promise<FioSum> {
  const { bytes, depth = 8, sizes = '4k-64k', bytesPerSecond = 0, folder } = options;
  const argv = [
    ['fio', '--name=verify', `--filename=${target}`, `--size=${bytes}`, '--rw=randwrite'],
    [`--bsrange=${sizes}`, '--blockalign=4k', '--direct=1', '--ioengine=libaio'],
    [`--iodepth=${depth}`, '--verify=crc32c', '--verify_fatal=1', '--randrepeat=1'],
    ['--fallocate=none', '--output-format=json', `--aux-path=${folder}`],
    bytesPerSecond === 0 ? [] : [`--rate=,${bytesPerSecond}`],
  ].flat();
  const report = await runInTime(...argv);
  const { jobs } = JSON.parse(report.slice(report.indexOf('{'))) as FioReport;
  const [job] = jobs;
  expect(job?.error).toBe(0);
  // All that was written was read back for the comparison.
  expect(job?.write.io_bytes).toBe(bytes);
  expect(job?.read.io_bytes).toBe(bytes);
  return { leastReadMs: (job?.read.lat_ns.min ?? NaN) / 1e6 };
}

interface FioReport {
  readonly jobs: readonly {
    readonly error: number;
    readonly read: { readonly io_bytes: number; readonly lat_ns: { readonly min: number } };
    readonly write: { readonly io_bytes: number };
  }[];
}

/** Folders of small files of odd lengths, and one file of many blocks. */
export function writeTree(root: string): void {
  for (let i = 0; i < 3; i++) {
    const folder = join(root, `folder-${i}`);
    mkdirSync(folder, { recursive: true });
    for (let k = 0; k < 10; k++) {
      writeFileSync(join(folder, `file-${k}`), randomBytes(1 + i * 997 + k * 4099));
    }
  }
  writeFileSync(join(root, 'large'), randomBytes(MIB + 1));
}

/** Of all files below a folder. */
export function checksums(root: string): Checksums {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).toSorted();
  const files = names.filter((name) => statSync(join(root, name)).isFile());
  return Object.fromEntries(
    files.map((name) => {
      const digest = createHash('sha256').update(readFileSync(join(root, name)));
      return [name, digest.digest('hex')];
    }),
  );
}

/** A kind of file system, with how it is made and how it is found in order. */
export interface FileSystem {
  readonly name: string;
  readonly make: readonly string[];
  /** On the mounted file system, after much was written. */
  scrub?(folder: string): Promise<void>;
  /** On the device, unmounted; changes nothing. */
  check(device: string): Promise<void>;
}

export const ext4: FileSystem = {
  name: 'ext4',
  make: ['mkfs.ext4', '-q', '-F'],
  async check(device) {
    const argv = ['fsck.ext4', '-f', '-n', device];
    const { code, stdout, stderr } = await runProgram(argv, { timeoutMs: PATIENCE_MS });
    expect(stdout + stderr).not.toMatch(/error|WARNING|Fix|Clear/i);
    expect(code).toBe(0);
  },
};

/** For what is not about ext4: its journal is zeroed by the first mount, as far as it is used. */
export const lightExt4: FileSystem = {
  ...ext4,
  make: [...ext4.make, '-E', 'lazy_journal_init=1'],
};

export const xfs: FileSystem = {
  name: 'xfs',
  make: ['mkfs.xfs', '-q', '-f'],
  async check(device) {
    await runInTime('xfs_repair', '-n', device);
  },
};

export const btrfs: FileSystem = {
  name: 'btrfs',
  make: ['mkfs.btrfs', '-q', '-f'],
  async scrub(folder) {
    const report = await runInTime('btrfs', 'scrub', 'start', '-B', folder);
    expect(report).toMatch(/Error summary:\s+no errors found/);
  },
  async check(device) {
    await runInTime('btrfs', 'check', '--readonly', device);
  },
};

/**
 * Makes a file system, puts files on it, verifies a load on it, unmounts it and has it checked.
 *
 * @param folder where it is mounted; made here
 * @returns what its files were
 */
export async function fillFileSystem(
  device: string,
  kind: FileSystem,
  folder: string,
): Promise<Checksums> {
  await runInTime(...kind.make, device);
  mkdirSync(folder, { recursive: true });
  await runInTime('mount', '-t', kind.name, device, folder);
  writeTree(join(folder, 'tree'));
  const sums = checksums(join(folder, 'tree'));
  expect(Object.keys(sums)).toHaveLength(3 * 10 + 1);
  await fioVerify(join(folder, 'load'), { bytes: MIB, folder });
  await kind.scrub?.(folder);
  await runInTime('umount', folder);
  await kind.check(device);
  return sums;
}

/** Mounts it and compares the files with what they were; leaves it unmounted. */
export async function expectFiles(
  device: string,
  kind: FileSystem,
  folder: string,
  sums: Checksums,
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await runInTime('mount', '-t', kind.name, '-o', 'ro', device, folder);
  expect(checksums(join(folder, 'tree'))).toEqual(sums);
  await runInTime('umount', folder);
}
