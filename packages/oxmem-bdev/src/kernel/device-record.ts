import {
  chmodSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { deviceIndex, type AttachWay, type FileReader } from '@oxmem/nbd-kernel';

import { systemCode } from '../errors.ts';

/**
 * What a driver leaves on the machine about each device that it serves: the file nbdN.json in
 * `RECORD_FOLDER`, from ready to detached. `detach` and `status` learn from it whose device it is,
 * and a successor what the device was attached with. A driver that was killed leaves its record
 * behind, so it is worth as much as `isServerAlive` says.
 */
export interface DeviceRecord {
  /** Process that serves the device. */
  readonly pid: number;
  /** When that process began, in the clock ticks of /proc/PID/stat: pids are used again. */
  readonly startTime: number;
  /** Path of the node, "/dev/nbd0". */
  readonly device: string;
  /** Bytes of the device. */
  readonly sizeBytes: number;
  /** First remote address, hexadecimal: "0x0". */
  readonly base: string;
  /** Address of the endpoint, "04:00:00:00:00:01". */
  readonly mac: string;
  readonly netdev: string;
  readonly way: AttachWay;
  /** Backend identifier of a device that was attached by netlink. */
  readonly identifier: string;
  readonly readOnly: boolean;
  /** Logical block size in bytes. */
  readonly blockBytes: number;
}

/** One file of the folder: what it says, or why it says nothing. */
export type RecordFile =
  | { readonly path: string; readonly record: DeviceRecord }
  | { readonly path: string; readonly record: undefined; readonly problem: string };

/** Where the records are. */
export const RECORD_FOLDER = '/run/oxmem';

/**
 * Puts a record into the folder, in place of an older one of the same device. A reader sees the old
 * one or the new one, never half of one.
 *
 * @returns undefined, or why it could not be written: an errno name
 */
export function writeRecord(record: DeviceRecord, folder: string): string | undefined {
  const path = recordPath(record.device, folder);
  const draft = `${path}.${record.pid}.tmp`;
  try {
    if (mkdirSync(folder, { recursive: true }) !== undefined) chmodSync(folder, 0o755);
    writeFileSync(draft, `${JSON.stringify(record)}\n`);
    chmodSync(draft, 0o644);
    renameSync(draft, path);
    return undefined;
  } catch (thrown) {
    removeFile(draft);
    return codeOf(thrown);
  }
}

/**
 * Removes the record, unless another process has put its own there meanwhile. Nothing happens when
 * it is gone already.
 *
 * @returns undefined, or why it could not be removed: an errno name
 */
export function removeRecord(
  record: Pick<DeviceRecord, 'device' | 'pid' | 'startTime'>,
  folder: string,
): string | undefined {
  const path = recordPath(record.device, folder);
  const { record: found } = readRecordFile(path);
  if (found?.pid !== record.pid || found.startTime !== record.startTime) return undefined;
  return removeFile(path);
}

/** All records of the folder, in the order of their devices; no folder: none. */
export function readRecords(folder: string): RecordFile[] {
  return recordNames(folder).map((name) => readRecordFile(join(folder, name)));
}

/** The record of one device, "/dev/nbd0"; undefined: there is none, or it cannot be read. */
export function readRecord(device: string, folder: string): DeviceRecord | undefined {
  if (deviceIndex(device) === undefined) return undefined;
  return readRecordFile(recordPath(device, folder)).record;
}

/** Whether the process that wrote the record is alive, and not another one with its number. */
export function isServerAlive(
  record: Pick<DeviceRecord, 'pid' | 'startTime'>,
  files: Pick<FileReader, 'readText'>,
): boolean {
  return processStartTime(record.pid, files) === record.startTime;
}

/**
 * When a process began, in clock ticks after the boot; undefined: there is no such process, or it
 * is dead and merely not reaped yet.
 */
export function processStartTime(
  pid: number,
  files: Pick<FileReader, 'readText'>,
): number | undefined {
  const text = files.readText(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The name of the program, field 2, may hold anything; what follows it does not.
  const [state, ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const startTime = Number(rest[START_TIME_FIELD - STATE_FIELD - 1]);
  const isDead = state === 'Z' || state === 'X';
  return isDead || !Number.isSafeInteger(startTime) ? undefined : startTime;
}

/** Where the record of a device, "/dev/nbd0", is. */
export function recordPath(device: string, folder: string): string {
  const index = deviceIndex(device);
  if (index === undefined) throw new RangeError(`${device} is not an NBD device`);
  return join(folder, `nbd${index}.json`);
}

function recordNames(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => /^nbd\d+\.json$/.test(name))
      .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  } catch {
    return [];
  }
}

function readRecordFile(path: string): RecordFile {
  let text: string;
  try {
    if (statSync(path).size > MAX_FILE_BYTES) return notARecord(path, 'it is too long');
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    return notARecord(path, codeOf(thrown));
  }
  const value = parseJson(text);
  if (!isRecord(value)) return notARecord(path, 'it is not the record of a device');
  if (!path.endsWith(`/${value.device.slice('/dev/'.length)}.json`)) {
    return notARecord(path, `it is the record of ${value.device}`);
  }
  return { path, record: value };
}

function notARecord(path: string, problem: string): RecordFile {
  return { path, record: undefined, problem };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is DeviceRecord {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  return (Object.keys(FIELD_CHECKS) as (keyof DeviceRecord)[]).every((name) =>
    FIELD_CHECKS[name](fields[name]),
  );
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

const FIELD_CHECKS: Readonly<Record<keyof DeviceRecord, (value: unknown) => boolean>> = {
  pid: (value) => isCount(value) && value !== 0,
  startTime: isCount,
  device: (value) => isText(value) && deviceIndex(value as string) !== undefined,
  sizeBytes: isCount,
  base: isText,
  mac: isText,
  netdev: isText,
  way: (value) => value === 'netlink' || value === 'ioctl',
  identifier: isText,
  readOnly: (value) => typeof value === 'boolean',
  blockBytes: isCount,
};

function removeFile(path: string): string | undefined {
  try {
    rmSync(path, { force: true });
    return undefined;
  } catch (thrown) {
    return codeOf(thrown);
  }
}

function codeOf(thrown: unknown): string {
  return systemCode(thrown) ?? String(thrown);
}

/** Far more than a record has. */
const MAX_FILE_BYTES = 65_536;
/** Of /proc/PID/stat, counted from 1. */
const STATE_FIELD = 3;
const START_TIME_FIELD = 22;
