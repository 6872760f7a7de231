/** What stands between a kernel device and a file system: logical volumes and encryption. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { describeRequiring } from '../requires.ts';
import { DeviceLab, deviceNeeds } from './device-lab.ts';
import { runInTime } from './kernel-programs.ts';
import { expectFiles, fillFileSystem, lightExt4 } from './workloads.ts';

/** Nobody else's volume has such a name. */
const mark = `oxmem${process.pid}`;

describeRequiring(
  [
    ...deviceNeeds,
    'command:mkfs.ext4',
    'command:fsck.ext4',
    'command:fio',
    'command:lvm',
    'command:cryptsetup',
    'command:dmsetup',
  ],
  'a kernel device under the device mapper',
  () => {
    let rig: DeviceLab;
    beforeAll(async () => {
      rig = await DeviceLab.open();
      await rig.startEndpoint('32M');
      await runInTime('modprobe', 'dm-mod');
    });
    afterEach(async () => {
      await rig.release();
    });
    afterAll(async () => {
      await rig.close();
    });

    it('is an LVM physical volume whose logical volume outlives the attachment', async () => {
      const folder = rig.lab.path('mounted-lvm');
      const volume = `/dev/${mark}/data`;
      const first = await rig.serve();
      const lvm = lvmOn(first.path);
      await lvm('pvcreate', first.path);
      await lvm('vgcreate', mark, first.path);
      await lvm(
        'lvcreate',
        '--name',
        'data',
        '--extents',
        '100%FREE',
        '--wipesignatures',
        'n',
        mark,
      );
      const sums = await fillFileSystem(volume, lightExt4, folder);
      await lvm('vgchange', '--activate', 'n', mark);
      await rig.stop(first);
      expect(existsSync(volume)).toBe(false);

      const second = await rig.serve({ device: first.path });
      await lvm('vgchange', '--activate', 'y', mark);
      await expectFiles(volume, lightExt4, folder, sums);
      await lvm('vgremove', '--force', mark);
      await lvm('pvremove', second.path);
      await rig.stop(second);
    });

    it('carries an encrypted file system, and nothing of it in the clear', async () => {
      await runInTime('modprobe', 'dm-crypt');
      const folder = rig.lab.path('mounted-crypt');
      const key = rig.lab.path('key');
      writeFileSync(key, randomBytes(32));
      const plain = `/dev/mapper/${mark}`;
      const first = await rig.serve();
      const small = ['--offset', String(LUKS_DATA_MIB * 2048), '--luks2-keyslots-size', '1m'];
      const light = [...small, '--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000'];
      const format = ['luksFormat', '--batch-mode', '--type', 'luks2', ...light];
      await runInTime('cryptsetup', ...format, '--key-file', key, first.path);
      await runInTime('cryptsetup', 'open', '--key-file', key, first.path, mark);
      const sums = await fillFileSystem(plain, lightExt4, folder);
      // The magic number of ext4, 1080 bytes into the file system, is not where it starts.
      const inTheClear = await magicAt(rig, plain, 0);
      expect(inTheClear).toBe('53ef');
      expect(await magicAt(rig, first.path, LUKS_DATA_MIB)).not.toBe('53ef');
      await runInTime('cryptsetup', 'close', mark);
      await rig.stop(first);

      const second = await rig.serve({ device: first.path });
      await runInTime('cryptsetup', 'open', '--key-file', key, second.path, mark);
      await expectFiles(plain, lightExt4, folder, sums);
      await runInTime('cryptsetup', 'close', mark);
      await rig.stop(second);
    });
  },
);

/** Where the data of the encrypted device begin. */
const LUKS_DATA_MIB = 4;

/** LVM on one device, whatever else the machine has; it leaves no notes about it. */
function lvmOn(device: string): (...argv: string[]) => Promise<string> {
  const config = ['--config', 'backup { backup=0 archive=0 }', '--devices', device];
  return async (command, ...args) =>
    await runInTime('lvm', command!, ...config, '--yes', '--quiet', ...args);
}

/** The two bytes where ext4 has its magic number. */
async function magicAt(rig: DeviceLab, device: string, mebibytes: number): Promise<string> {
  const file = rig.lab.path('block');
  const from = ['bs=4096', `skip=${mebibytes * 256}`, 'count=1', 'iflag=direct'];
  await runInTime('dd', `if=${device}`, `of=${file}`, ...from, 'status=none');
  return readFileSync(file).toString('hex', 1024 + 56, 1024 + 58);
}
