/** What cannot be served: one sentence that says why, the right exit code, and nothing is changed. */
import { mkdirSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { LabProgram, ProgramResult } from '../lab-program.ts';
import { describeRequiring, itRequiring } from '../requires.ts';
import { DeviceLab, deviceNeeds, patientDriver } from './device-lab.ts';
import { expectFreeAgain } from './fault-checks.ts';
import {
  freeDevices,
  isAttached,
  PATIENCE_MS,
  runInTime,
  settle,
  until,
} from './kernel-programs.ts';

/** nobody */
const USER = '65534';

describeRequiring([...deviceNeeds, 'command:nbdkit'], 'a driver that cannot serve', () => {
  let rig: DeviceLab;
  let device = '';
  beforeAll(async () => {
    rig = await DeviceLab.open();
    await rig.startEndpoint('16M');
    device = freeDevices(1)[0]!;
  });
  afterEach(async () => {
    await rig.release();
  });
  afterAll(async () => {
    await rig.close();
  });

  it.each([
    ['a size that is no multiple of the block size', 2, /^oxmem-bdev: --size: /, '--size=1000001'],
    ['a number of devices that does not divide it', 2, /^oxmem-bdev: --num: /, '--num=3'],
    ['a device that is not one of NBD', 4, /\/dev\/sda is not an NBD device/, '--device=/dev/sda'],
  ])('%s', async (_, code, sentence, arg) => {
    const program = rig.startDriver({ device, args: [arg] });
    await expectRefusal(program, code, sentence);
    expect(program.stdout).not.toContain('ready');
    await expectFreeAgain(device);
  });

  it('memory that the endpoint does not have: said at the start, not at mkfs', async () => {
    const program = rig.startDriver({ device, args: ['--base=0x800000'] });
    await expectRefusal(
      program,
      2,
      /A read of 8 bytes at 0x17ffff8 failed, .* make --size smaller/,
    );
    expect(program.stdout).not.toContain('ready');
    await expectFreeAgain(device);
  });

  itRequiring(
    ['command:mkfs.ext4', 'nbd-netlink'],
    'a device that another program has attached and somebody has mounted',
    async () => {
      const folder = rig.lab.path('mount');
      mkdirSync(folder);
      const socket = rig.lab.path('nbdkit.sock');
      const nbdkit = rig.lab.start(['nbdkit', '-f', '-U', socket, 'memory', '16M']);
      await until('nbdkit listens', () => isSocket(socket));
      await runInTime('nbd-client', '-unix', socket, device, '-block-size', '4096');
      await settle();
      const pid = pidOf(device);
      try {
        await expectRefusal(rig.startDriver({ device }), 4, busyWith(`attached by process ${pid}`));
        await runInTime('mkfs.ext4', '-q', device);
        await runInTime('mount', device, folder);
        await runInTime('sh', '-c', `echo mine >${folder}/file`);
        for (const way of ['netlink', 'ioctl']) {
          const program = rig.startDriver({ device, args: [`--attach=${way}`] });
          await expectRefusal(program, 4, busyWith(`${device} is mounted on ${folder}`));
        }
        await expectRefusal(rig.startDriver({ device, args: ['--takeover'] }), 4, busyWith(''));
        expect(pidOf(device)).toBe(pid);
        // Past the page cache, so it is still served.
        await runInTime('dd', `if=${device}`, 'of=/dev/null', 'bs=64k', 'iflag=direct');
        await runInTime('sh', '-c', `echo yours >>${folder}/file && sync -f ${folder}`);
        expect(readFileSync(`${folder}/file`, 'utf8')).toBe('mine\nyours\n');
      } finally {
        await runInTime('sh', '-c', `umount ${folder}; nbd-client -d ${device}`);
      }
      await until(`${device} is free`, () => !isAttached(device));
      await nbdkit.stop('SIGTERM', PATIENCE_MS);
      await expectFreeAgain(device);
    },
  );

  itRequiring(
    ['command:setpriv'],
    'a user who may not: neither the wire nor, with that, the device',
    async () => {
      const argv = [...rig.lab.driverArgv(), `--device=${device}`, ...patientDriver];
      await expectRefusal(rig.lab.start([...asNobody([]), ...argv]), 3, /CAP_NET_RAW/);
      await expectRefusal(rig.lab.start([...asNobody(['net_raw']), ...argv]), 3, /CAP_SYS_ADMIN/);
      await expectFreeAgain(device);
    },
  );

  it('an endpoint that another driver has, which does not notice', async () => {
    const [, other = ''] = freeDevices(2);
    const first = await rig.serve({ device });
    await expectRefusal(rig.startDriver({ device: other }), 4, /Another oxmem-bdev talks to /);
    await runInTime('dd', `if=${device}`, 'of=/dev/null', 'bs=64k', 'count=4', 'iflag=direct');
    expect(isAttached(other)).toBe(false);
    await rig.stop(first);
    await expectFreeAgain(device);
  });

  itRequiring(
    ['test-guest', 'command:modprobe'],
    'without the module, and serves as soon as it is loaded',
    async () => {
      await runInTime('modprobe', '-r', 'nbd');
      try {
        await expectRefusal(rig.startDriver({ device }), 4, /`sudo modprobe nbd .*`/);
      } finally {
        await runInTime('modprobe', 'nbd', 'max_part=15');
        await settle();
      }
      await rig.stop(await rig.serve({ device }));
      await expectFreeAgain(device);
    },
  );

  /** One sentence on standard error, after whatever it had told of its doings, and no traces. */
  async function expectRefusal(
    program: LabProgram,
    code: number,
    sentence: RegExp,
  ): Promise<ProgramResult> {
    rig.lab.excuse(program);
    const result = await program.waitForEnd(PATIENCE_MS);
    expect(result.code, result.stderr).toBe(code);
    const lines = result.stderr.trimEnd().split('\n');
    expect(lines.filter((line) => line.startsWith('oxmem-bdev: '))).toHaveLength(1);
    expect(lines.at(-1)).toMatch(/^oxmem-bdev: .*\.$/);
    expect(lines.at(-1)).toMatch(sentence);
    return result;
  }

  function busyWith(words: string): RegExp {
    return new RegExp(`^oxmem-bdev: ${device} is busy: .*${words}.* Release it with \``);
  }
});

function asNobody(capabilities: readonly string[]): string[] {
  const list = ['-all', ...capabilities.map((name) => `+${name}`)].join(',');
  return [
    'setpriv',
    `--reuid=${USER}`,
    `--regid=${USER}`,
    '--clear-groups',
    '--no-new-privs',
    `--inh-caps=${list}`,
    `--ambient-caps=${list}`,
    `--bounding-set=${list}`,
  ];
}

function pidOf(path: string): string {
  return readFileSync(`/sys/block/${path.replace('/dev/', '')}/pid`, 'utf8').trim();
}

function isSocket(path: string): boolean {
  return readFileSync('/proc/net/unix', 'utf8').includes(` ${path}\n`);
}
