import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { machineFiles } from '@oxmem/nbd-kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  isServerAlive,
  processStartTime,
  readRecord,
  readRecords,
  removeRecord,
  writeRecord,
  type DeviceRecord,
} from './device-record.ts';

const RECORD: DeviceRecord = {
  pid: 4711,
  startTime: 123456,
  device: '/dev/nbd2',
  sizeBytes: 2 ** 33,
  base: '0x100000000',
  mac: '04:00:00:00:00:01',
  netdev: 'eth0',
  way: 'netlink',
  identifier: 'oxmem 04:00:00:00:00:01 0x100000000+8589934592',
  readOnly: false,
  blockBytes: 4096,
};

let place: string;
let folder: string;

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'oxmem-record-'));
  folder = join(place, 'run');
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

describe('the record of a device', () => {
  it('is read as it was written', () => {
    expect(writeRecord(RECORD, folder)).toBeUndefined();
    expect(readRecord('/dev/nbd2', folder)).toEqual(RECORD);
    expect(readRecords(folder)).toEqual([{ path: join(folder, 'nbd2.json'), record: RECORD }]);
  });

  it('can be read by everybody and written by its owner, whatever the umask', () => {
    const former = process.umask(0o077);
    try {
      writeRecord(RECORD, folder);
    } finally {
      process.umask(former);
    }
    expect(statSync(folder).mode & 0o777).toBe(0o755);
    expect(statSync(join(folder, 'nbd2.json')).mode & 0o777).toBe(0o644);
  });

  it('replaces an older one whole and leaves nothing else behind', () => {
    writeRecord({ ...RECORD, pid: 1, netdev: 'a-longer-name' }, folder);
    writeRecord(RECORD, folder);
    expect(readdirSync(folder)).toEqual(['nbd2.json']);
    expect(readRecord('/dev/nbd2', folder)).toEqual(RECORD);
  });

  it('is not put where the folder cannot be made, and the reason is a value', () => {
    writeFileSync(folder, '');
    expect(writeRecord(RECORD, folder)).toMatch(/^(EEXIST|ENOTDIR)$/);
    expect(readRecords(folder)).toEqual([]);
  });

  it('leaves no draft behind when it cannot be put in place', () => {
    mkdirSync(join(folder, 'nbd2.json'), { recursive: true });
    expect(writeRecord(RECORD, folder)).toBe('EISDIR');
    expect(readdirSync(folder)).toEqual(['nbd2.json']);
  });

  it('is removed by whoever wrote it, once or twice', () => {
    writeRecord(RECORD, folder);
    expect(removeRecord(RECORD, folder)).toBeUndefined();
    expect(removeRecord(RECORD, folder)).toBeUndefined();
    expect(readRecords(folder)).toEqual([]);
  });

  it("is not removed by a predecessor, or by a process that got the predecessor's number", () => {
    writeRecord(RECORD, folder);
    removeRecord({ ...RECORD, pid: 4710 }, folder);
    removeRecord({ ...RECORD, startTime: 123455 }, folder);
    expect(readRecord('/dev/nbd2', folder)).toEqual(RECORD);
  });
});

describe('a folder of records', () => {
  it('is listed in the order of the devices, without what does not belong there', () => {
    for (const device of ['/dev/nbd10', '/dev/nbd2', '/dev/nbd0']) {
      writeRecord({ ...RECORD, device }, folder);
    }
    writeFileSync(join(folder, 'nbd1.json.12.tmp'), '{');
    writeFileSync(join(folder, 'state'), '{}');
    expect(readRecords(folder).map(({ record }) => record?.device)).toEqual([
      '/dev/nbd0',
      '/dev/nbd2',
      '/dev/nbd10',
    ]);
  });

  it('is empty when there is none', () => {
    expect(readRecords(folder)).toEqual([]);
    expect(readRecord('/dev/nbd0', folder)).toBeUndefined();
    expect(readRecord('/dev/sda', folder)).toBeUndefined();
  });

  const bad: readonly [string, string, RegExp][] = [
    ['is empty', '', /not the record/],
    ['is no JSON', '{"pid": 47', /not the record/],
    ['is null', 'null', /not the record/],
    ['is a list', '[]', /not the record/],
    ['lacks a field', JSON.stringify({ ...RECORD, base: undefined }), /not the record/],
    ['has process 0', JSON.stringify({ ...RECORD, pid: 0 }), /not the record/],
    ['has a process like -1', JSON.stringify({ ...RECORD, pid: -1 }), /not the record/],
    ['has text for a number', JSON.stringify({ ...RECORD, pid: '4711' }), /not the record/],
    ['has an unknown way', JSON.stringify({ ...RECORD, way: 'magic' }), /not the record/],
    ['has another path', JSON.stringify({ ...RECORD, device: '/dev/sda' }), /not the record/],
    ['is of another device', JSON.stringify({ ...RECORD, device: '/dev/nbd3' }), /of \/dev\/nbd3$/],
    ['is endless', ' '.repeat(70_000), /too long/],
  ];
  it.each(bad)('shows a file that %s as one without a record', (_, text, problem) => {
    mkdirSync(folder);
    writeFileSync(join(folder, 'nbd2.json'), text);
    expect(readRecords(folder)).toEqual([
      {
        path: join(folder, 'nbd2.json'),
        record: undefined,
        problem: expect.stringMatching(problem) as string,
      },
    ]);
    expect(readRecord('/dev/nbd2', folder)).toBeUndefined();
  });

  it('may hold fields that a later version added', () => {
    writeRecord({ ...RECORD, later: 1 } as DeviceRecord, folder);
    expect(readRecord('/dev/nbd2', folder)).toMatchObject(RECORD);
  });
});

describe('the server of a record', () => {
  const stat = (name: string, state: string): string =>
    `4711 (${name}) ${state} 1 4711 4711 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 11 0 123456 99 1\n`;
  const filesWith = (text: string | undefined) => ({
    readText: (path: string) => (path === '/proc/4711/stat' ? text : undefined),
  });

  it('is alive while a process of its number and its time is there', () => {
    expect(isServerAlive(RECORD, filesWith(stat('node', 'S')))).toBe(true);
    expect(isServerAlive(RECORD, filesWith(stat('a) S 1 (b', 'D')))).toBe(true);
  });

  it('is not another process with the same number', () => {
    expect(isServerAlive({ ...RECORD, startTime: 123 }, filesWith(stat('node', 'S')))).toBe(false);
  });

  it('is dead when there is no such process, or only what is left of it', () => {
    expect(isServerAlive(RECORD, filesWith(undefined))).toBe(false);
    expect(isServerAlive(RECORD, filesWith(stat('node', 'Z')))).toBe(false);
    expect(isServerAlive(RECORD, filesWith('nonsense'))).toBe(false);
  });

  it('is this very process by its own stat', () => {
    const startTime = processStartTime(process.pid, machineFiles) as number;
    expect(startTime).toBeGreaterThan(0);
    expect(isServerAlive({ pid: process.pid, startTime }, machineFiles)).toBe(true);
  });
});
