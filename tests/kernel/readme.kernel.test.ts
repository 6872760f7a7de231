/**
 * Runs the commands of README.md that need a kernel with NBD, as they stand there, in their order.
 * The only changes: no sudo (the test is root), the memory node is the README's own virtual cable,
 * and files lie in a folder of the test.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DocumentShell, typesBlocks } from '../document-shell.ts';
import type { LabProgram } from '../lab-program.ts';
import { describeRequiring } from '../requires.ts';
import { deviceNeeds } from './device-lab.ts';
import { PATIENCE_MS } from './kernel-programs.ts';

const root = join(import.meta.dirname, '..', '..');

typesBlocks('README.md', /^kernel-/);

describeRequiring(
  [...deviceNeeds, 'command:lsblk', 'command:fdisk', 'command:mkfs.ext4', 'command:mkswap'],
  'the commands of README.md on a kernel device',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'readme-oxmem-'));
    const shell = new DocumentShell(
      'README.md',
      folder,
      [
        ['sudo ', ''],
        ['node_modules/.bin/', `${root}/node_modules/.bin/`],
        ['/mnt/oxmem', `${folder}/mounted`],
        ['enp179s0f0np0', 'ox0'],
        ['04:3f:72:dd:0b:05', '02:00:00:00:00:01'],
      ],
      PATIENCE_MS,
    );
    let driver: LabProgram;
    const run = async (command: string): Promise<void> => {
      expect(await shell.run(command), command).toMatchObject({ code: 0 });
    };

    beforeAll(async () => {
      await shell.start('endpoint');
      driver = await shell.start('kernel-driver');
      expect(driver.stdout).toMatch(/^ready: \/dev\/nbd0 8589934592 bytes/m);
    });
    afterAll(async () => {
      await shell.stop();
      await run('ip link del ox0');
      rmSync(folder, { recursive: true, force: true });
    });

    it('the quick start makes a filesystem, mounts it, writes and reads a file', async () => {
      expect(await shell.type('kernel-filesystem')).toContain('Hello OmniXtend\nHello OmniXtend\n');
      const file = join(folder, 'mounted', 'test.txt');
      expect(existsSync(file)).toBe(false);
      await run(`mount /dev/nbd0 ${folder}/mounted`);
      expect(readFileSync(file, 'utf8')).toBe('Hello OmniXtend\n');
      await run(`umount ${folder}/mounted`);
    });

    it('the device can be looked at', async () => {
      const output = await shell.type('kernel-status');
      expect(output).toMatch(/^nbd0 +43:\d+ +0 +8G +0 +disk/m);
      expect(output).toMatch(/^8589934592$/m);
      expect(output).toMatch(/^Disk \/dev\/nbd0: 8 GiB, 8589934592 bytes, 2097152 sectors$/m);
      expect(output).toContain('02:00:00:00:00:01');
    });

    it('the device can be read and written directly', async () => {
      const [read = '', write = ''] = shell.commands('kernel-dd');
      const file = join(folder, 'testdat_4k.dat');
      const there = join(folder, 'there');
      writeFileSync(there, randomBytes(4096));
      await run(`dd if=${there} of=/dev/nbd0 bs=4k count=1 oflag=direct`);
      await run(read);
      expect(readFileSync(file)).toEqual(readFileSync(there));
      writeFileSync(file, Buffer.alloc(4096, 'OmniXtend '));
      await run(write);
      await run(`dd if=/dev/nbd0 of=${there} bs=4k count=1 iflag=direct`);
      expect(readFileSync(there)).toEqual(readFileSync(file));
    });

    it('the device can be swap space', async () => {
      const isSwap: boolean[] = [];
      for (const command of shell.commands('kernel-swap')) {
        await run(command);
        isSwap.push(readFileSync('/proc/swaps', 'utf8').includes('/dev/nbd0 '));
      }
      expect(isSwap).toEqual([false, true, false]);
    });

    it('Ctrl+C detaches it', async () => {
      await driver.stop('SIGINT');
      expect(driver.end).toEqual({ code: 0, signal: null });
      expect(existsSync('/sys/block/nbd0/pid')).toBe(false);
    });

    it('the doctor finds nothing wrong', async () => {
      expect(await shell.type('kernel-doctor')).not.toMatch(/^fail/m);
    });
  },
);
