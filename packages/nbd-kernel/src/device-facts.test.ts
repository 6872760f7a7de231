import { describe, expect, test } from 'vitest';
import {
  deviceFacts,
  deviceIndex,
  deviceIndexes,
  isHeld,
  isTaken,
  usersOf,
  visibleUsers,
} from './device-facts.ts';
import type { FileReader } from './file-reader.ts';

/** Files by path; a folder is an array of names, a link begins with "->", a node is "b". */
function filesOf(entries: Record<string, string | readonly string[]>): FileReader {
  const text = (path: string) => {
    const entry = entries[path];
    return typeof entry === 'string' ? entry : undefined;
  };
  return {
    readText: text,
    readNames(path) {
      const entry = entries[path];
      return typeof entry === 'object' ? entry : undefined;
    },
    readLink: (path) => text(path)?.replace(/^->/, ''),
    isClaimed: () => Promise.resolve(false),
    isBlockDevice: (path) => (entries[path] === undefined ? undefined : entries[path] === 'b'),
  };
}

const FREE = {
  '/sys/module/nbd': ['parameters'],
  '/sys/block': ['sda', 'nbd10', 'nbd0', 'nbd2', 'nbdx'],
  '/sys/block/nbd0': ['size', 'ro', 'queue', 'holders'],
  '/sys/block/nbd0/size': '0\n',
  '/sys/block/nbd0/ro': '0\n',
  '/sys/block/nbd0/holders': [],
  '/dev/nbd0': 'b',
  '/proc': ['1', 'self', '42'],
  '/proc/mounts': 'proc /proc proc rw 0 0\n/dev/nbd01 /elsewhere ext4 rw 0 0\n',
  '/proc/swaps': 'Filename\tType\tSize\n/dev/nbd2   partition 8 0 -2\n',
};

describe('deviceIndex', () => {
  test('knows whole NBD devices and nothing else', () => {
    expect(deviceIndex('/dev/nbd0')).toBe(0);
    expect(deviceIndex('/dev/nbd315')).toBe(315);
    for (const name of [
      '/dev/nbd',
      '/dev/nbd0p1',
      '/dev/nbd00',
      'nbd1',
      '/dev/nbd-1',
      '/dev/nbd1 ',
    ]) {
      expect(deviceIndex(name)).toBeUndefined();
    }
  });
});

describe('deviceFacts', () => {
  test('a free device is known, has a node, and is nobody’s', () => {
    const facts = deviceFacts(0, filesOf(FREE));
    expect(facts).toMatchObject({
      path: '/dev/nbd0',
      isModuleLoaded: true,
      isKnown: true,
      hasNode: true,
      attachedPid: undefined,
      sizeBytes: 0,
    });
    expect([isTaken(facts), isHeld(facts), usersOf(facts)]).toEqual([false, false, undefined]);
  });

  test('devices are listed in the order of their numbers', () => {
    expect(deviceIndexes(filesOf(FREE))).toEqual([0, 2, 10]);
  });

  test('without the module there is nothing, and no error', () => {
    const facts = deviceFacts(0, filesOf({}));
    expect(facts).toMatchObject({ isModuleLoaded: false, isKnown: false, hasNode: false });
    expect(usersOf(facts)).toBeUndefined();
  });

  test('a driver that is built in has no module folder, but devices', () => {
    expect(deviceFacts(0, filesOf({ '/sys/block': ['nbd0'] })).isModuleLoaded).toBe(true);
  });

  test('a file in the place of the node is no node', () => {
    expect(deviceFacts(0, filesOf({ ...FREE, '/dev/nbd0': 'file' })).hasNode).toBe(false);
  });

  test('names everybody who uses a device: mount, swap, holder, process, also by partition', () => {
    const facts = deviceFacts(
      0,
      filesOf({
        ...FREE,
        '/sys/block/nbd0': ['size', 'holders', 'pid', 'nbd0p2', 'nbd0p1', 'queue'],
        '/sys/block/nbd0/pid': '733\n',
        '/sys/block/nbd0/size': '16384\n',
        '/sys/block/nbd0/ro': '1\n',
        '/sys/block/nbd0/backend': 'the-backend\n',
        '/sys/block/nbd0/nbd0p2/holders': ['dm-3'],
        '/proc/mounts': '/dev/nbd0p1 /mnt/my\\040data ext4 rw 0 0\n',
        '/proc/swaps': 'Filename\n/dev/nbd0p2  partition 1 0 -2\n',
        '/proc/42/fd': ['0', '9'],
        '/proc/42/fd/0': '->/dev/null',
        '/proc/42/fd/9': '->/dev/nbd0p1',
        '/proc/42/comm': 'dd\n',
      }),
    );
    expect(facts).toMatchObject({
      attachedPid: 733,
      sizeBytes: 16384 * 512,
      isReadOnly: true,
      backendIdentifier: 'the-backend',
      partitions: ['nbd0p1', 'nbd0p2'],
      mounts: [{ source: '/dev/nbd0p1', target: '/mnt/my data' }],
      swaps: ['/dev/nbd0p2'],
      holders: ['dm-3'],
      openers: [{ pid: 42, command: 'dd' }],
    });
    expect([isTaken(facts), isHeld(facts)]).toEqual([true, true]);
    expect(usersOf(facts)).toBe(
      'attached by process 733; /dev/nbd0p1 is mounted on /mnt/my data; /dev/nbd0p2 is swap ' +
        'space; in use by dm-3; open in dd (process 42)',
    );
  });

  test('a process that merely has it open does not make it taken', () => {
    const facts = deviceFacts(
      0,
      filesOf({ ...FREE, '/proc/42/fd': ['3'], '/proc/42/fd/3': '->/dev/nbd0' }),
    );
    expect(facts.openers).toEqual([{ pid: 42, command: 'unknown' }]);
    expect(isTaken(facts)).toBe(false);
  });

  test('another device’s mounts and openers are not its own', () => {
    const files = filesOf({
      ...FREE,
      '/proc/mounts': '/dev/nbd10 /a ext4 rw 0 0\n/dev/nbd1p0 /b ext4 rw 0 0\n',
      '/proc/42/fd': ['3'],
      '/proc/42/fd/3': '->/dev/nbd10',
    });
    expect(usersOf(deviceFacts(1, files))).toBeUndefined();
    expect(usersOf(deviceFacts(10, files))).toMatch(/mounted on \/a; open in/);
  });
});

describe('visibleUsers', () => {
  const users = (entries: Record<string, string | readonly string[]>): string | undefined => {
    const files = filesOf({ ...FREE, '/sys/block/nbd0': ['size', 'nbd0p1'], ...entries });
    return visibleUsers(deviceFacts(0, files), files);
  };

  test('are none while a program merely has the device open', () => {
    expect(users({})).toBeUndefined();
    expect(
      users({ '/proc/42/fd': ['3'], '/proc/42/fd/3': '->/dev/nbd0', '/proc/42/comm': 'dd\n' }),
    ).toBeUndefined();
  });

  test('are mounts, swap space and devices on top', () => {
    expect(users({ '/proc/mounts': '/dev/nbd0p1 /mnt ext4 rw 0 0\n' })).toBe(
      '/dev/nbd0p1 is mounted on /mnt',
    );
  });

  test.each([
    ['ext4', { '/sys/fs/ext4': ['features', 'nbd0'] }],
    ['xfs', { '/sys/fs/xfs': ['stats', 'nbd0p1'] }],
    ['btrfs', { '/sys/fs/btrfs': ['features', 'id'], '/sys/fs/btrfs/id/devices': ['nbd0'] }],
  ])('are filesystems that no table of mounts shows: %s', (kind, entries) => {
    expect(users(entries)).toContain(`a filesystem (${kind}) on it`);
  });

  test('are not the filesystems of another device', () => {
    expect(users({ '/sys/fs/ext4': ['nbd01', 'nbd1', 'nbd0p2', 'features'] })).toBeUndefined();
  });
});
