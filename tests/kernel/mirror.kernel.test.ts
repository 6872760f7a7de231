/** A mirror over two kernel devices whose memory is at two endpoints, and the death of one. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { describeRequiring } from '../requires.ts';
import { DeviceLab, deviceNeeds } from './device-lab.ts';
import { runInTime, settle, until } from './kernel-programs.ts';
import { checksums, lightExt4, writeTree } from './workloads.ts';

describeRequiring(
  [...deviceNeeds, 'command:mkfs.ext4', 'command:fsck.ext4', 'command:mdadm'],
  'a mirror over the memory of two endpoints',
  () => {
    let rig: DeviceLab;
    beforeAll(async () => {
      rig = await DeviceLab.open({ places: 4 });
    });
    afterEach(async () => {
      await rig.release();
    });
    afterAll(async () => {
      await rig.close();
    });

    it('goes on with one when the other dies, and is whole again after its return', async () => {
      const folder = rig.lab.path('mounted-mirror');
      mkdirSync(folder);
      const kept = await rig.startEndpointAt(2, '16M');
      const lost = await rig.startEndpointAt(3, '16M');
      // A driver gives up its endpoint when this has passed several times.
      const args = ['--request-timeout=2s'];
      const left = await rig.serve({ endpoint: kept, place: 0, args });
      const right = await rig.serve({ endpoint: lost, place: 1, args });
      const array = `/dev/md${100 + (process.pid % 100)}`;
      const shape = ['--level=1', '--raid-devices=2', '--metadata=1.2', '--bitmap=none'];
      const create = ['--create', array, '--run', '--assume-clean', ...shape];
      await runInTime('mdadm', ...create, left.path, right.path);
      await settle();
      await runInTime(...lightExt4.make, array);
      await runInTime('mount', array, folder);
      writeTree(join(folder, 'before'));
      await runInTime('sync', '-f', folder);

      await rig.lab.crash(lost.program);
      const sums = { before: checksums(join(folder, 'before')), after: {} };
      writeTree(join(folder, 'after'));
      await runInTime('sync', '-f', folder);
      await until('the array is degraded', () => stateOf(array) === '[U_]', 120_000);
      sums.after = checksums(join(folder, 'after'));
      expect(checksums(join(folder, 'before'))).toEqual(sums.before);

      await runInTime('mdadm', array, '--remove', right.path);
      await right.program.stop('SIGTERM', 60_000);
      const back = await rig.startEndpointAt(3, '16M');
      const returned = await rig.serve({ endpoint: back, place: 1, device: right.path, args });
      await runInTime('mdadm', array, '--add', returned.path);
      await until('the array is whole', () => stateOf(array) === '[UU]', 200_000);

      // What the rebuilt half holds is all there is now.
      await runInTime('mdadm', array, '--fail', left.path);
      await runInTime('umount', folder);
      await lightExt4.check(array);
      await runInTime('mount', '-o', 'ro', array, folder);
      for (const name of ['before', 'after'] as const) {
        expect(checksums(join(folder, name))).toEqual(sums[name]);
      }
      await runInTime('umount', folder);
      await runInTime('mdadm', '--stop', array);
      await rig.stop(left);
      await rig.stop(returned);
    });
  },
);

/** The members of an array as /proc/mdstat has them: U is up, _ is not. */
function stateOf(array: string): string {
  const text = readFileSync('/proc/mdstat', 'utf8');
  const entry = text.split(`${array.replace('/dev/', '')} :`)[1] ?? '';
  return /\[[U_]+\]/.exec(entry)?.[0] ?? '';
}
