/** A partition table on a kernel device. */
import { existsSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { describeRequiring } from '../requires.ts';
import { DeviceLab, deviceNeeds } from './device-lab.ts';
import { runInTime, settle, sizeOf } from './kernel-programs.ts';

const MIB = 2 ** 20;

describeRequiring([...deviceNeeds, 'command:sfdisk'], 'a partitioned kernel device', () => {
  let rig: DeviceLab;
  beforeAll(async () => {
    rig = await DeviceLab.open({ mtuBytes: 1500 });
    await rig.startEndpoint('64M');
  });
  afterEach(async () => {
    await rig.release();
  });
  afterAll(async () => {
    await rig.close();
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
});
