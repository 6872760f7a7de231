/** One driver, several kernel devices, each with its share of the memory. */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { describeRequiring } from '../requires.ts';
import { DeviceLab, deviceNeeds } from './device-lab.ts';
import type { ReadyDevice } from './device-lab.ts';
import { runInTime, sizeOf } from './kernel-programs.ts';
import { fioVerify } from './workloads.ts';

const MIB = 2 ** 20;

describeRequiring([...deviceNeeds, 'command:fio'], 'four kernel devices of one driver', () => {
  let rig: DeviceLab;
  beforeAll(async () => {
    rig = await DeviceLab.open();
    await rig.startEndpoint('64M');
  });
  afterEach(async () => {
    await rig.release();
  });
  afterAll(async () => {
    await rig.close();
  });

  it('split the memory evenly, and what is written to one is in no other', async () => {
    const four = await rig.serve({ count: 4, args: ['--base=0x0'] });
    expect(four.devices.map(({ sizeBytes }) => sizeBytes)).toEqual([16, 16, 16, 16].map(mib));
    expect(four.devices.map(({ base }) => base)).toEqual(
      [0n, 16n, 32n, 48n].map((at) => at * MIBn),
    );
    const sizes = await Promise.all(four.devices.map(async ({ path }) => await sizeOf(path)));
    expect(sizes).toEqual([16, 16, 16, 16].map(mib));

    // The first and the last mebibyte of each, all at once: the neighbours' borders are in it.
    const patterns = four.devices.map(() => randomBytes(2 * MIB));
    await Promise.all(
      four.devices.map(async ({ path }, index) => {
        const file = rig.lab.path(`pattern-${index}`);
        writeFileSync(file, patterns[index]!);
        await copy({ from: file, to: path, blocks: [0, 0], flag: 'oflag=direct' });
        await copy({ from: file, to: path, blocks: [1, 15], flag: 'oflag=direct' });
      }),
    );
    await Promise.all(
      four.devices.map(async (device, index) => {
        expect((await ends(rig, device)).equals(patterns[index]!), device.path).toBe(true);
      }),
    );
    await rig.stop(four);

    // Through one device over all of it the patterns are where the ready lines say.
    const whole = await rig.serve({ device: four.path });
    for (const [index, { base }] of four.devices.entries()) {
      const back = rig.lab.path('back');
      const first = Number(base / MIBn);
      await copy({ from: whole.path, to: back, blocks: [first, 0], flag: 'iflag=direct' });
      await copy({ from: whole.path, to: back, blocks: [first + 15, 1], flag: 'iflag=direct' });
      expect(readFileSync(back).equals(patterns[index]!)).toBe(true);
    }
    await rig.stop(whole);
  });

  it('are used at once: fio verifies random writes on all of them', async () => {
    const four = await rig.serve({ count: 4 });
    await Promise.all(
      four.devices.map(async ({ path }) => {
        await fioVerify(path, { bytes: MIB, depth: 4, folder: rig.lab.folder });
      }),
    );
    await rig.stop(four);
  });
});

const MIBn = BigInt(MIB);

function mib(count: number): number {
  return count * MIB;
}

/** One mebibyte: `blocks` says which of the source and which of the target. */
async function copy(what: {
  from: string;
  to: string;
  blocks: readonly [number, number];
  flag: string;
}): Promise<void> {
  const [skip, seek] = what.blocks;
  const where = [`if=${what.from}`, `of=${what.to}`, `skip=${skip}`, `seek=${seek}`];
  await runInTime('dd', ...where, 'bs=1M', 'count=1', 'conv=notrunc', what.flag, 'status=none');
}

async function ends(rig: DeviceLab, { path }: ReadyDevice): Promise<Buffer> {
  const file = rig.lab.path(`back-${path.slice(-1)}`);
  await copy({ from: path, to: file, blocks: [0, 0], flag: 'iflag=direct' });
  await copy({ from: path, to: file, blocks: [15, 1], flag: 'iflag=direct' });
  return readFileSync(file);
}
