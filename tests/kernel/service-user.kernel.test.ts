/** The driver as the service file runs it: a user of its own, with the capabilities named there. */
import { chownSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LabProgram } from '../lab-program.ts';
import { driverCommand, SHUTDOWN_LINES } from '../oxmem-lab.ts';
import { describeRequiring } from '../requires.ts';
import { DeviceLab, deviceNeeds, patientDriver, readyDevices } from './device-lab.ts';
import { freeDevices, isAttached, PATIENCE_MS, runInTime, settle } from './kernel-programs.ts';

/** nobody */
const USER = 65534;
const FOLDER = '/run/oxmem';
const units = join(dirname(driverCommand[1] ?? ''), '..', 'systemd');

describeRequiring(
  [...deviceNeeds, 'command:setpriv', 'nbd-netlink'],
  'a driver without root',
  () => {
    let rig: DeviceLab;
    beforeAll(async () => {
      rig = await DeviceLab.open();
      await rig.startEndpoint('16M');
      // RuntimeDirectory=
      mkdirSync(FOLDER, { recursive: true });
      chownSync(FOLDER, USER, USER);
    });
    afterAll(async () => {
      await rig.close();
      rmSync(FOLDER, { recursive: true });
    });

    function startAsService(capabilities: readonly string[], device: string): LabProgram {
      const list = ['-all', ...capabilities.map((name) => `+${name}`)].join(',');
      const argv = [
        ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, `--groups=${statSync(device).gid}`],
        [`--inh-caps=${list}`, `--ambient-caps=${list}`, `--bounding-set=${list}`],
        ['--no-new-privs', ...rig.lab.driverArgv(), `--device=${device}`, '--attach=netlink'],
        ['--takeover', ...patientDriver, ...(capabilities.length > 2 ? ['--swap'] : [])],
      ];
      return rig.lab.start(argv.flat());
    }

    it.each([
      ['serves a device', ['oxmem-bdev@.service']],
      ['is ready for swap space with those of the drop-in', ['oxmem-bdev@.service', 'swap.conf']],
    ])('%s', async (_, files) => {
      const [device = ''] = freeDevices(1);
      const capabilities = files.flatMap(capabilitiesOf);
      expect(capabilities).toHaveLength(files.length === 1 ? 2 : 5);
      const program = startAsService(capabilities, device);
      await rig.lab.waitUntilReady(program);
      expect(readyDevices(program.stdout).map(({ path }) => path)).toEqual([device]);
      expect(program.stderr).not.toMatch(/cannot be written/);
      await runInTime('dd', 'if=/dev/zero', `of=${device}`, 'bs=64k', 'count=4', 'oflag=direct');
      expect(statSync(`/proc/${program.pid}`).uid).toBe(USER);
      const { code, stdout } = await program.stop('SIGTERM', PATIENCE_MS);
      expect(code, program.stderr).toBe(0);
      expect(stdout.trimEnd().split('\n').slice(-3)).toEqual(SHUTDOWN_LINES);
      expect(isAttached(device)).toBe(false);
      await settle();
    });
  },
);

/** As setpriv writes them: `net_raw`. */
function capabilitiesOf(file: string): string[] {
  const unit = readFileSync(join(units, file), 'utf8');
  const names = /^AmbientCapabilities=(.*)$/m.exec(unit)?.[1]?.split(' ') ?? [];
  return names.map((name) => name.replace('CAP_', '').toLowerCase());
}
