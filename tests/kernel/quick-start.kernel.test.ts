/** The commands that the quick start tells people to type, and a partition table. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { hasCommand } from '../../scripts/debian-packages.mjs';
import { runClient } from '../lab-program.ts';
import { describeRequiring } from '../requires.ts';
import { DeviceLab, deviceNeeds } from './device-lab.ts';
import { PATIENCE_MS, runInTime, settle, sizeOf } from './kernel-programs.ts';

const MIB = 2 ** 20;

describeRequiring(
  [
    ...deviceNeeds,
    'command:lsblk',
    'command:fdisk',
    'command:sfdisk',
    'command:mkfs.ext4',
    'command:mkswap',
  ],
  'the quick start on a kernel device',
  () => {
    let rig: DeviceLab;
    beforeAll(async () => {
      rig = await DeviceLab.open({ mtuBytes: 1500 });
      await rig.startEndpoint('64M');
      // Whatever this machine has at /mnt stays below, and gets no new folder.
      await runInTime('mount', '-t', 'tmpfs', 'tmpfs', '/mnt');
    });
    afterEach(async () => {
      await rig.release();
    });
    afterAll(async () => {
      await runInTime('umount', '/mnt');
      await rig.close();
    });

    it('shows the device, copies 4 KiB out and in, makes and uses ext4 and swap', async () => {
      const { path } = await rig.serve({ args: ['--base=0x0'] });
      const type = typist(rig, path);
      expect(await type('lsblk /dev/nbd0')).toMatch(/^nbd\d+ +43:\d+ +0 +64M +0 +disk/m);
      expect(await type('sudo blockdev --getsize64 /dev/nbd0')).toBe(`${64 * MIB}\n`);
      expect(await type('sudo fdisk -l /dev/nbd0')).toMatch(
        new RegExp(`^Disk ${path}: 64 MiB, ${64 * MIB} bytes, 16384 sectors$`, 'm'),
      );

      await type('sudo dd if=/dev/nbd0 of=./testdat_4k.dat bs=4k count=1');
      const file = rig.lab.path('testdat_4k.dat');
      expect(readFileSync(file)).toEqual(Buffer.alloc(4096));
      writeFileSync(file, Buffer.alloc(4096, 'OmniXtend '));
      await type('sudo dd if=./testdat_4k.dat of=/dev/nbd0 bs=4k count=1');
      await runInTime('cmp', '-n', '4096', file, path);

      await type('sudo mkfs.ext4 /dev/nbd0');
      await type('sudo mount /dev/nbd0 /mnt');
      await type('echo "Hello OmniXtend" > /mnt/test.txt');
      expect(await type('cat /mnt/test.txt')).toBe('Hello OmniXtend\n');
      await type('sudo umount /mnt');
      expect(existsSync('/mnt/test.txt')).toBe(false);

      await type('sudo mkdir -p /mnt/oxmem');
      await type('sudo mount /dev/nbd0 /mnt/oxmem');
      expect(await type('cd /mnt/oxmem && cat test.txt')).toBe('Hello OmniXtend\n');
      await type('sudo umount /mnt/oxmem');

      await type('sudo mkswap /dev/nbd0');
      await type('sudo swapon /dev/nbd0');
      expect(readFileSync('/proc/swaps', 'utf8')).toMatch(new RegExp(`^${path} `, 'm'));
      await type('sudo swapoff /dev/nbd0');
      expect(readFileSync('/proc/swaps', 'utf8')).not.toContain(path);
    });

    it('has a node for each of three partitions, at once and when it is ready again', async () => {
      const first = await rig.serve();
      const table = rig.lab.path('table');
      writeFileSync(table, 'label: gpt\nsize=8M\nsize=16M\n,\n');
      await runInTime('sh', '-c', `sfdisk --quiet ${first.path} <${table}`);
      await settle();
      const nodes = [1, 2, 3].map((number) => `${first.path}p${number}`);
      for (const node of nodes) expect(existsSync(node), node).toBe(true);
      const last = nodes[2]!;
      await runInTime('sh', '-c', `echo third | dd of=${last} bs=4096 conv=sync oflag=direct`);
      await rig.stop(first);
      for (const node of nodes) expect(existsSync(node), node).toBe(false);

      const second = await rig.serve({ device: first.path });
      // Nobody has waited for anything: ready means that they are there.
      for (const node of nodes) expect(existsSync(node), node).toBe(true);
      expect(await Promise.all(nodes.map(sizeOf))).toEqual([8 * MIB, 16 * MIB, expect.any(Number)]);
      expect(await runInTime('dd', `if=${last}`, 'bs=6', 'count=1', 'status=none')).toBe('third\n');
      await rig.stop(second);
    });
  },
);

/** Types a command into a shell in the lab's folder, the device's name put in its place. */
function typist(rig: DeviceLab, device: string): (line: string) => Promise<string> {
  const folder = rig.lab.path('bin');
  mkdirSync(folder);
  if (!hasCommand('sudo')) {
    // We are root, and this machine does without it.
    writeFileSync(join(folder, 'sudo'), '#!/bin/sh\nexec "$@"\n');
    chmodSync(join(folder, 'sudo'), 0o755);
  }
  return async (line) => {
    const script = `PATH="$PATH:${folder}"; ${line.replaceAll('/dev/nbd0', device)}`;
    return await runClient(['sh', '-ec', script], {
      cwd: rig.lab.folder,
      timeoutMs: PATIENCE_MS,
    });
  };
}
