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
import { LabProgram, runProgram } from '../lab-program.ts';
import { commandsOf, namedBlock } from '../readme-blocks.ts';
import { describeRequiring } from '../requires.ts';
import { deviceNeeds } from './device-lab.ts';
import { PATIENCE_MS } from './kernel-programs.ts';

const root = join(import.meta.dirname, '..', '..');

describeRequiring(
  [...deviceNeeds, 'command:lsblk', 'command:fdisk', 'command:mkfs.ext4', 'command:mkswap'],
  'the commands of README.md on a kernel device',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'readme-oxmem-'));
    const running: LabProgram[] = [];
    const adapt = (command: string): string =>
      command
        .replaceAll('sudo ', '')
        .replaceAll('node_modules/.bin/', `${root}/node_modules/.bin/`)
        .replaceAll('/mnt/oxmem', `${folder}/mounted`)
        .replaceAll('enp179s0f0np0', 'ox0')
        .replaceAll('04:3f:72:dd:0b:05', '02:00:00:00:00:01');
    const start = (command: string): LabProgram => {
      const program = new LabProgram(['bash', '-c', `exec ${adapt(command)}`], { cwd: folder });
      running.push(program);
      return program;
    };
    const run = async (command: string): Promise<string> => {
      const argv = ['bash', '-c', adapt(command)];
      const result = await runProgram(argv, { cwd: folder, timeoutMs: PATIENCE_MS });
      expect(result, command).toMatchObject({ code: 0 });
      return result.stdout;
    };
    const runBlock = async (name: string): Promise<string> => {
      let output = '';
      for (const command of commandsOf(namedBlock('README.md', name))) output += await run(command);
      return output;
    };

    beforeAll(async () => {
      const endpoint = commandsOf(namedBlock('README.md', 'endpoint'));
      for (const command of endpoint.slice(0, -1)) await run(command);
      await start(endpoint.at(-1) ?? '').waitFor('stdout', /^ready: endpoint/m, PATIENCE_MS);
      const [modprobe = '', driver = '', ...rest] = commandsOf(
        namedBlock('README.md', 'kernel-driver'),
      );
      expect(rest).toEqual([]);
      await run(modprobe);
      await start(driver).waitFor('stdout', /^ready: \/dev\/nbd0 8589934592 bytes/m, PATIENCE_MS);
    });
    afterAll(async () => {
      for (const program of running.toReversed()) await program.stop('SIGTERM');
      await run('ip link del ox0');
      rmSync(folder, { recursive: true, force: true });
    });

    it('the quick start makes a filesystem, mounts it, writes and reads a file', async () => {
      expect(await runBlock('kernel-filesystem')).toContain('Hello OmniXtend\nHello OmniXtend\n');
      const file = join(folder, 'mounted', 'test.txt');
      expect(existsSync(file)).toBe(false);
      await run('sudo mount /dev/nbd0 /mnt/oxmem');
      expect(readFileSync(file, 'utf8')).toBe('Hello OmniXtend\n');
      await run('sudo umount /mnt/oxmem');
    });

    it('the device can be looked at', async () => {
      const output = await runBlock('kernel-status');
      expect(output).toMatch(/^nbd0 +43:\d+ +0 +8G +0 +disk/m);
      expect(output).toMatch(/^8589934592$/m);
      expect(output).toMatch(/^Disk \/dev\/nbd0: 8 GiB, 8589934592 bytes, 2097152 sectors$/m);
      expect(output).toContain('02:00:00:00:00:01');
    });

    it('the device can be read and written directly', async () => {
      const [read = '', write = '', ...rest] = commandsOf(namedBlock('README.md', 'kernel-dd'));
      expect(rest).toEqual([]);
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
      const commands = commandsOf(namedBlock('README.md', 'kernel-swap'));
      const isSwap: boolean[] = [];
      for (const command of commands) {
        await run(command);
        isSwap.push(readFileSync('/proc/swaps', 'utf8').includes('/dev/nbd0 '));
      }
      expect(isSwap).toEqual([false, true, false]);
    });

    it('Ctrl+C detaches it', async () => {
      const driver = running[1] as LabProgram;
      await driver.stop('SIGINT');
      expect(driver.end).toEqual({ code: 0, signal: null });
      expect(existsSync('/sys/block/nbd0/pid')).toBe(false);
    });

    it('the doctor finds nothing wrong', async () => {
      expect(await runBlock('kernel-doctor')).not.toMatch(/^fail/m);
    });
  },
);
