/** A kernel device across a wire with faults, as the kernel's netem makes them. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeRequiring } from '../requires.ts';
import { DeviceLab, deviceNeeds, wirePorts } from './device-lab.ts';
import type { DeviceDriver } from './device-lab.ts';
import { runInTime } from './kernel-programs.ts';
import { fioVerify } from './workloads.ts';

const MIB = 2 ** 20;

describeRequiring(
  [...deviceNeeds, 'command:tc', 'command:fio'],
  'a kernel device across a wire that',
  () => {
    let rig: DeviceLab;
    let driver: DeviceDriver;
    beforeAll(async () => {
      rig = await DeviceLab.open({ mtuBytes: 1500, places: 2 });
      await runInTime('modprobe', 'sch_netem');
      await rig.startEndpointAt(1, '16M');
      driver = await rig.serve({ args: ['--request-timeout=10s'] });
    });
    afterAll(async () => {
      disturb(rig, []);
      await rig.stop(driver);
      await rig.close();
    });

    it('loses one frame in a hundred passes the verification of fio', async () => {
      disturb(rig, ['loss', '1%']);
      await verify();
      for (const port of wirePorts(rig.lab)) {
        const text = rig.lab.wire.runInPeer(['tc', '-s', 'qdisc', 'show', 'dev', port]);
        expect(Number(/\(dropped (\d+)/.exec(text)?.[1])).toBeGreaterThan(10);
      }
    });

    it('delivers frames out of order passes the verification of fio', async () => {
      // One frame in twenty overtakes those before it, which take a millisecond.
      disturb(rig, ['delay', '1ms', 'reorder', '5%', '50%']);
      await verify();
    });

    it('delivers one frame in twenty twice passes the verification of fio', async () => {
      disturb(rig, ['duplicate', '5%']);
      const before = surplus(rig);
      await verify();
      expect(surplus(rig) - before).toBeGreaterThan(50);
    });

    it('takes 2 ms each way passes the verification of fio', async () => {
      disturb(rig, ['delay', '2ms']);
      expect(await verify()).toBeGreaterThan(4);
    });

    async function verify(): Promise<number> {
      const options = { bytes: 2 * MIB, depth: 16, folder: rig.lab.folder };
      return (await fioVerify(driver.path, options)).leastReadMs;
    }
  },
);

/** What netem does with every frame, in both directions; nothing: no netem. */
function disturb({ lab }: DeviceLab, how: readonly string[]): void {
  for (const port of wirePorts(lab)) {
    const now = lab.wire.runInPeer(['tc', 'qdisc', 'show', 'dev', port]);
    if (now.includes('netem')) lab.wire.runInPeer(['tc', 'qdisc', 'del', 'dev', port, 'root']);
    if (how.length === 0) continue;
    lab.wire.runInPeer(['tc', 'qdisc', 'add', 'dev', port, 'root', 'netem', ...how]);
  }
}

/** Frames that both sides have received beyond what they have sent. */
function surplus({ lab }: DeviceLab): number {
  const count = (kind: string): number =>
    lab.wire.locals.reduce((sum, { name }) => {
      const file = `/sys/class/net/${name}/statistics/${kind}_packets`;
      return sum + Number(readFileSync(file, 'utf8'));
    }, 0);
  return count('rx') - count('tx');
}
