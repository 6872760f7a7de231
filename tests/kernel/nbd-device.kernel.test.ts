/** The kernel's own NBD client on the driver's export: /dev/nbd0 on remote memory. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runProgram } from '../lab-program.ts';
import { OxmemLab } from '../oxmem-lab.ts';
import { describeRequiring } from '../requires.ts';
import type { Need } from '../requires.ts';
import type { Exported } from './kernel-device.ts';
import {
  attach,
  detach,
  isAttached,
  PATIENCE_MS,
  patientDriver,
  runInTime,
  sizeOf,
  startAcrossBridge,
  unmountAll,
  wirePorts,
} from './kernel-device.ts';

const MIB = 2 ** 20;
const device = '/dev/nbd0';
const needs: readonly Need[] = [
  'real-root',
  'netns',
  'nbd',
  'command:nbd-client',
  'command:mkfs.ext4',
  'command:fsck.ext4',
];

describeRequiring(needs, 'a kernel device on remote memory', () => {
  let lab: OxmemLab;
  let driver: Exported;
  beforeEach(async () => {
    lab = await OxmemLab.open();
    await lab.startEndpoint('64M');
    driver = await lab.startDriver({ args: patientDriver });
  });
  afterEach(async () => {
    await takeDown(lab);
  });

  for (const way of ['netlink', 'ioctl'] as const) {
    it(`attached by ${way} has the size of the memory and its contents, and goes again`, async () => {
      await attach(driver, device, way);
      expect(await sizeOf(device)).toBe(64 * MIB);
      expect((await runInTime('blockdev', '--getss', device)).trim()).toBe('4096');
      const pattern = randomBytes(3 * MIB);
      const file = lab.path('pattern');
      writeFileSync(file, pattern);
      await runInTime('dd', `if=${file}`, `of=${device}`, 'bs=1M', 'seek=61', 'oflag=direct');
      await detach(device);
      expect(await sizeOf(device)).toBe(0);
      // A second attachment has nothing of it in a cache.
      await attach(driver, device, way);
      const back = lab.path('back');
      await runInTime('dd', `if=${device}`, `of=${back}`, 'bs=1M', 'skip=61', 'iflag=direct');
      expect(readFileSync(back).equals(pattern)).toBe(true);
      await detach(device);
    });
  }

  it('keeps an ext4 file system whose files survive a new attachment, clean for fsck', async () => {
    await keepFiles(lab, driver);
  });

  it('passes the verification of fio, random writes of mixed sizes at depth 8', async () => {
    await attach(driver, device, 'netlink');
    const argv = [
      ['fio', '--name=verify', `--filename=${device}`, '--size=16M', '--rw=randwrite'],
      ['--bsrange=4k-64k', '--blockalign=4k', '--direct=1', '--ioengine=libaio', '--iodepth=8'],
      ['--verify=crc32c', '--verify_fatal=1', '--randrepeat=1'],
      ['--output-format=json', `--aux-path=${lab.folder}`],
    ].flat();
    const report = await runInTime(...argv);
    const { jobs } = JSON.parse(report.slice(report.indexOf('{'))) as FioReport;
    expect(jobs[0]!.error).toBe(0);
    // All that was written was read back for the comparison.
    expect(jobs[0]!.write.io_bytes).toBe(16 * MIB);
    expect(jobs[0]!.read.io_bytes).toBe(16 * MIB);
    await detach(device);
  });
});

describeRequiring(needs, 'a kernel device across a wire that loses one frame in a hundred', () => {
  let lab: OxmemLab;
  beforeEach(async () => {
    lab = await OxmemLab.open({ places: 2 });
  });
  afterEach(async () => {
    await takeDown(lab);
  });

  it('keeps an ext4 file system whose files survive a new attachment, clean for fsck', async () => {
    for (const port of wirePorts(lab)) {
      lab.wire.runInPeer(['tc', 'qdisc', 'add', 'dev', port, 'root', 'netem', 'loss', '1%']);
    }
    await keepFiles(lab, await startAcrossBridge(lab, '64M'));
    // It did lose frames, in both directions.
    for (const port of wirePorts(lab)) {
      const text = lab.wire.runInPeer(['tc', '-s', 'qdisc', 'show', 'dev', port]);
      expect(Number(/\(dropped (\d+)/.exec(text)?.[1])).toBeGreaterThan(20);
    }
  });
});

/** Leaves no mount and no attached device to the next test, however this one ended. */
async function takeDown(lab: OxmemLab): Promise<void> {
  await unmountAll(device);
  if (isAttached(device)) await detach(device);
  await lab.close();
}

/** mkfs, mount, files, unmount, fsck, and once more: the files are the same. */
async function keepFiles(lab: OxmemLab, driver: Exported): Promise<void> {
  await attach(driver, device, 'netlink');
  await runInTime('mkfs.ext4', '-q', '-F', device);
  const folder = lab.path('mounted');
  mkdirSync(folder);
  await runInTime('mount', '-t', 'ext4', device, folder);
  writeTree(join(folder, 'tree'));
  const before = checksums(join(folder, 'tree'));
  expect(Object.keys(before)).toHaveLength(3 * 20 + 1);
  await runInTime('umount', folder);
  const check = await runProgram(['fsck.ext4', '-f', '-n', device], { timeoutMs: PATIENCE_MS });
  expect(check.stdout + check.stderr).not.toMatch(/error|WARNING|Fix|Clear/i);
  expect(check.code).toBe(0);
  await detach(device);
  await attach(driver, device, 'netlink');
  await runInTime('mount', '-t', 'ext4', '-o', 'ro', device, folder);
  expect(checksums(join(folder, 'tree'))).toEqual(before);
  await runInTime('umount', folder);
  await detach(device);
}

interface FioReport {
  readonly jobs: readonly {
    readonly error: number;
    readonly read: { readonly io_bytes: number };
    readonly write: { readonly io_bytes: number };
  }[];
}

/** Folders of small files, and one file of many blocks. */
function writeTree(root: string): void {
  for (let i = 0; i < 3; i++) {
    const folder = join(root, `folder-${i}`);
    mkdirSync(folder, { recursive: true });
    for (let k = 0; k < 20; k++) {
      writeFileSync(join(folder, `file-${k}`), randomBytes(1 + i * 997 + k * 4099));
    }
  }
  writeFileSync(join(root, 'large'), randomBytes(8 * MIB));
}

function checksums(root: string): Record<string, string> {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).toSorted();
  const files = names.filter((name) => statSync(join(root, name)).isFile());
  return Object.fromEntries(
    files.map((name) => {
      const digest = createHash('sha256').update(readFileSync(join(root, name)));
      return [name, digest.digest('hex')];
    }),
  );
}
