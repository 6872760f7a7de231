/** File systems on a kernel device: what was written is there after a new attachment. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { describeRequiring } from '../requires.ts';
import { DeviceLab, deviceNeeds } from './device-lab.ts';
import { runInTime } from './kernel-programs.ts';
import { btrfs, expectFiles, ext4, fillFileSystem, lightExt4, xfs } from './workloads.ts';

describeRequiring(
  [
    ...deviceNeeds,
    'command:mkfs.ext4',
    'command:mkfs.xfs',
    'command:xfs_repair',
    'command:mkfs.btrfs',
    'command:btrfs',
    'command:fio',
  ],
  'a kernel device on remote memory',
  () => {
    let rig: DeviceLab;
    beforeAll(async () => {
      rig = await DeviceLab.open();
      // xfs wants 300 MiB at least; memory that nobody writes to takes none.
      await rig.startEndpoint('320M');
    });
    afterEach(async () => {
      await rig.release();
    });
    afterAll(async () => {
      await rig.close();
    });

    for (const [kind, size] of [
      [ext4, '64M'],
      [xfs, '320M'],
      [btrfs, '160M'],
    ] as const) {
      it(`keeps an ${kind.name} file system whose files survive a new attachment`, async () => {
        if (kind === btrfs) await runInTime('modprobe', 'btrfs');
        const folder = rig.lab.path(`mounted-${kind.name}`);
        const first = await rig.serve({ size });
        expect(await blockSizes(first.path)).toEqual([4096, 4096]);
        const sums = await fillFileSystem(first.path, kind, folder);
        await rig.stop(first);
        const second = await rig.serve({ size });
        await expectFiles(second.path, kind, folder, sums);
        await rig.stop(second);
      });
    }

    it('has blocks of 512 bytes when told to, and takes ext4 on them', async () => {
      const folder = rig.lab.path('mounted-512');
      const driver = await rig.serve({ size: '32M', args: ['--block-size=512'] });
      expect(await blockSizes(driver.path)).toEqual([512, 512]);
      const sums = await fillFileSystem(driver.path, lightExt4, folder);
      await expectFiles(driver.path, lightExt4, folder, sums);
      await rig.stop(driver);
    });
  },
);

/** Logical and physical. */
async function blockSizes(device: string): Promise<number[]> {
  const answers = ['--getss', '--getpbsz'].map(async (question) =>
    Number(await runInTime('blockdev', question, device)),
  );
  return await Promise.all(answers);
}
