/** Swap space on a kernel device: memory that a process needs beyond what it may have. */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { endpointCommand } from '../oxmem-lab.ts';
import { describeRequiring } from '../requires.ts';
import { DeviceLab, deviceNeeds } from './device-lab.ts';
import { PATIENCE_MS, runInTime } from './kernel-programs.ts';
import { MemoryGroup } from './memory-group.ts';

const MIB = 2 ** 20;

describeRequiring(
  [...deviceNeeds, 'command:mkswap', 'command:swapon'],
  'swap space on a kernel device',
  () => {
    let rig: DeviceLab;
    let group: MemoryGroup | undefined;
    beforeAll(async () => {
      rig = await DeviceLab.open();
      await rig.startEndpoint('128M');
    });
    afterEach(async () => {
      await group?.remove();
      group = undefined;
      await rig.release();
    });
    afterAll(async () => {
      await rig.close();
    });

    it('lets a process with 32 MiB run to its end where there is room for 12', async () => {
      const driver = await rig.serve({ args: ['--swap'] });
      await runInTime('mkswap', driver.path);
      await runInTime('swapon', '--priority', '100', driver.path);
      group = await MemoryGroup.make(rig.lab.path('cgroup'), { 'memory.max': String(12 * MIB) });

      const data = randomBytes(32 * MIB);
      const source = rig.lab.path('source');
      writeFileSync(source, data);
      const before = { out: swapped('pswpout'), in: swapped('pswpin') };
      // All of the file in one block of memory, then out again; a file would count as memory, too.
      const copy = `dd if=${source} bs=32M count=1 iflag=fullblock status=none`;
      const script = `sh -ec '${group.enterLine}; exec ${copy}' | sha256sum`;
      const sum = await runInTime('sh', '-ec', script);
      expect(swapped('pswpout') - before.out).toBeGreaterThan(16 * MIB);
      expect(swapped('pswpin') - before.in).toBeGreaterThan(16 * MIB);
      expect(group.oomKills).toBe(0);
      const right = createHash('sha256').update(data).digest('hex');
      expect(sum.split(' ')[0]).toBe(right);

      // What the driver did for that: nothing of it was swapped, and nothing can be.
      const { pid } = driver.program;
      expect(kiB(pid, 'VmSwap')).toBe(0);
      const loose = kiB(pid, 'VmSize') - kiB(pid, 'VmLck') - kernelsOwnKiB(pid);
      expect(loose).toBeLessThan(1024);
      expect(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8').trim()).toBe('-1000');
      const threads = threadsOf(pid);
      expect(threads.length).toBeGreaterThan(4);
      for (const { flags, policy } of threads) {
        expect(flags & IO_FLUSHER).toBe(IO_FLUSHER);
        expect(policy).toBe(SCHED_RR);
      }
      expect(driver.program.stderr.match(/drops raw frames/g)).toHaveLength(1);

      await runInTime('swapoff', driver.path);
      await rig.stop(driver);
    });
  },
);

// It takes all memory that there is: not on anybody's own machine.
describeRequiring(
  [...deviceNeeds, 'test-guest', 'command:mkswap', 'command:swapon'],
  'swap space for the whole machine',
  () => {
    let rig: DeviceLab;
    let minFree: string;
    beforeAll(async () => {
      rig = await DeviceLab.open();
      minFree = readFileSync(MIN_FREE, 'utf8');
      writeFileSync(MIN_FREE, String(64 * 1024));
    });
    afterEach(async () => {
      await rig.release();
    });
    afterAll(async () => {
      writeFileSync(MIN_FREE, minFree);
      await rig.close();
    });

    it('lets a process run to its end that needs more memory than is left', async ({ skip }) => {
      // How much is left decides over minutes or a kill, and differs from run to run.
      skip(
        process.env['OXMEM_ALL_MEMORY'] !== '1',
        'takes all memory: run with OXMEM_ALL_MEMORY=1',
      );
      const { lab } = rig;
      const [node = '', endpointFile = ''] = endpointCommand;
      // The endpoint stands for another machine.
      const program = lab.start(
        lab.wire.peerArgv([
          node,
          fixture('unswappable.mjs'),
          endpointFile,
          `--netdev=${lab.wire.peer.name}`,
          '--size=96M',
        ]),
      );
      await program.waitFor('stdout', /^ready: endpoint .*$/m, PATIENCE_MS);
      const endpoint = { program, mac: lab.wire.peer.mac, size: '96M' };
      const driver = await rig.serve({ endpoint, args: ['--swap'] });
      await runInTime('mkswap', driver.path);
      await runInTime('swapon', driver.path);

      const before = { out: swapped('pswpout'), kills: counted('oom_kill') };
      const mebibytes = Math.ceil(availableKiB() / 1024) + 48;
      const hog = lab.start([node, fixture('memory-hog.mjs'), String(mebibytes)]);
      const { code, stdout, stderr } = await hog.waitForEnd(PATIENCE_MS);
      expect(`${stdout}${stderr}`).toBe(`${mebibytes} MiB, 0 pages wrong\n`);
      expect(code).toBe(0);
      expect(swapped('pswpout') - before.out).toBeGreaterThan(0);
      expect(counted('oom_kill')).toBe(before.kills);

      await runInTime('swapoff', driver.path);
      await rig.stop(driver);
    });
  },
);

const MIN_FREE = '/proc/sys/vm/min_free_kbytes';

function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
}

function availableKiB(): number {
  const text = readFileSync('/proc/meminfo', 'utf8');
  return Number(/^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1]);
}

/** PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE, which PR_SET_IO_FLUSHER sets. */
const IO_FLUSHER = 0x180000;

const SCHED_RR = 2;

/** What the kernel says of each thread of a process. */
function threadsOf(pid: number): { flags: number; policy: number }[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    // The name of the program, field 2, may hold anything; what follows it does not.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { flags: Number(fields[9 - 3]), policy: Number(fields[41 - 3]) };
  });
}

function kiB(pid: number, name: 'VmSwap' | 'VmSize' | 'VmLck'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
}

/** The ring of a raw socket: memory of the kernel, which is never swapped nor locked. */
function kernelsOwnKiB(pid: number): number {
  const maps = readFileSync(`/proc/${pid}/maps`, 'utf8');
  const rings = [...maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) .* socket:\[\d+\]$/gm)];
  const bytes = rings.map(([, begin = '', end = '']) => parseInt(end, 16) - parseInt(begin, 16));
  expect(bytes).toHaveLength(1);
  return bytes.reduce((sum, each) => sum + each, 0) / 1024;
}

/** Bytes that went to swap space, or came from it, since the kernel was booted. */
function swapped(counter: 'pswpin' | 'pswpout'): number {
  return 4096 * counted(counter);
}

/** One of the kernel's counters of its memory. */
function counted(counter: string): number {
  const text = readFileSync('/proc/vmstat', 'utf8');
  return Number(new RegExp(`^${counter} (\\d+)$`, 'm').exec(text)?.[1]);
}
