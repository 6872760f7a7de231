/** A real file system on remote memory: nbdfuse, a loop device, ext4. */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runClient, runProgram } from './lab-program.ts';
import type { LabProgram } from './lab-program.ts';
import { OxmemLab } from './oxmem-lab.ts';
import type { LabDriver } from './oxmem-lab.ts';
import { describeRequiring } from './requires.ts';

const needs = [
  'netns',
  'raw-socket',
  'real-root',
  'loop',
  'fuse',
  'command:nbdfuse',
  'command:mkfs.ext4',
  'command:fsck.ext4',
] as const;

describeRequiring(needs, 'an ext4 file system on remote memory', () => {
  let lab: OxmemLab;
  /** What takes down what a test has put up, the last one first; each harmless if it is down. */
  let undo: (() => Promise<unknown>)[];
  beforeEach(async () => {
    undo = [];
    lab = await OxmemLab.open();
  });
  afterEach(async () => {
    for (const step of undo.toReversed()) await step();
    await lab.close();
  });

  /** The export as a file that `losetup` takes. */
  async function startFuse(driver: LabDriver): Promise<{ disk: string; fuse: LabProgram }> {
    const folder = lab.path('fuse');
    const disk = join(folder, 'disk');
    mkdirSync(folder, { recursive: true });
    const fuse = lab.start(['nbdfuse', disk, driver.uri]);
    // It leaves by unmounting; being told so by a signal, it still says that it was.
    lab.excuse(fuse);
    undo.push(async () => {
      await runProgram(['fusermount3', '-u', '-z', folder]);
      await fuse.waitForEnd(10_000);
    });
    const deadlineMs = performance.now() + 10_000;
    while (!existsSync(disk)) {
      if (performance.now() > deadlineMs) throw new Error(`no ${disk}: ${fuse.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return { disk, fuse };
  }

  /** Mounts through a loop device that goes with the mount, however that ends. */
  async function mount(disk: string): Promise<string> {
    const folder = lab.path('mounted');
    mkdirSync(folder, { recursive: true });
    await runClient(['mount', '-t', 'ext4', '-o', 'loop', disk, folder]);
    undo.push(() => runProgram(['umount', folder]));
    expect(readFileSync('/proc/self/mounts', 'utf8')).toMatch(
      new RegExp(`^/dev/loop\\d+ ${folder} ext4 rw`, 'm'),
    );
    return folder;
  }

  async function unmount(disk: string, folder: string): Promise<void> {
    await runClient(['umount', folder]);
    // The loop device lets go of its file a moment later.
    const deadlineMs = performance.now() + 10_000;
    while ((await runClient(['losetup', '-j', disk])) !== '') {
      if (performance.now() > deadlineMs) throw new Error('the loop device stays');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  it('keeps a tree of files, is clean for fsck, and is the same through another driver', async () => {
    await lab.startEndpoint('256M');
    const first = await lab.startDriver();
    const { disk, fuse } = await startFuse(first);
    await runClient(['mkfs.ext4', '-q', '-F', disk]);
    const mounted = await mount(disk);
    writeTree(join(mounted, 'tree'));
    const before = checksums(join(mounted, 'tree'));
    expect(Object.keys(before)).toHaveLength(4 * 5 * 12 + 1);
    await unmount(disk, mounted);
    const check = await runProgram(['fsck.ext4', '-f', '-n', disk], { timeoutMs: 60_000 });
    expect(check.stdout + check.stderr).not.toMatch(/error|WARNING|Fix|Clear/i);
    expect(check.code).toBe(0);
    // Nothing of it may have stayed in a cache of this side: everything is torn down and made anew.
    await runClient(['fusermount3', '-u', lab.path('fuse')]);
    await fuse.waitForEnd(10_000);
    await first.program.stop();

    const again = await startFuse(await lab.startDriver());
    await mount(again.disk);
    expect(checksums(join(mounted, 'tree'))).toEqual(before);
    await unmount(again.disk, mounted);
  });

  it('lets fsck find a block that was overwritten behind its back', async () => {
    await lab.startEndpoint('64M');
    const { disk } = await startFuse(await lab.startDriver());
    await runClient(['mkfs.ext4', '-q', '-F', disk]);
    expect((await runProgram(['fsck.ext4', '-f', '-n', disk])).code).toBe(0);
    const wipe = ['dd', 'if=/dev/zero', `of=${disk}`, 'bs=4096', 'seek=1', 'count=4'];
    await runClient([...wipe, 'conv=notrunc,fsync']);
    expect((await runProgram(['fsck.ext4', '-f', '-n', disk])).code).not.toBe(0);
  });
});

/** Folders of small and larger files, and one of many blocks. */
function writeTree(root: string): void {
  for (let i = 0; i < 4; i++) {
    for (let j = 0; j < 5; j++) {
      const folder = join(root, `outer-${i}`, `inner-${j}`);
      mkdirSync(folder, { recursive: true });
      for (let k = 0; k < 12; k++) {
        writeFileSync(join(folder, `file-${k}`), randomBytes(1 + i * 997 + j * 4096 + k * 8191));
      }
    }
  }
  writeFileSync(join(root, 'large'), randomBytes(40 * 2 ** 20));
}

function checksums(root: string): Record<string, string> {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).toSorted();
  const files = names.filter((name) => statSync(join(root, name)).isFile());
  return Object.fromEntries(
    files.map((name) => {
      const digest = createHash('sha256')
        .update(readFileSync(join(root, name)))
        .digest('hex');
      return [name, digest];
    }),
  );
}
