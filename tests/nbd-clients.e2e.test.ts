/** The clients that people use, against the export, over a real wire. */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runClient, runProgram } from './lab-program.ts';
import { OxmemLab } from './oxmem-lab.ts';
import type { LabDriver } from './oxmem-lab.ts';
import { describeRequiring, itRequiring } from './requires.ts';

const MIB = 2 ** 20;

describeRequiring(['netns', 'raw-socket'], 'an export, used by', () => {
  let lab: OxmemLab;
  let driver: LabDriver;
  beforeAll(async () => {
    lab = await OxmemLab.open();
    await lab.startEndpoint('256M', ['--base=0x100000000']);
    driver = await lab.startDriver({ args: ['--base=0x100000000'] });
  });
  afterAll(async () => {
    await lab?.close();
  });

  itRequiring(['command:nbdinfo'], 'nbdinfo --json, tells its size and abilities', async () => {
    const text = await runClient(['nbdinfo', '--json', driver.uri]);
    const { protocol, exports } = JSON.parse(text) as NbdInfo;
    expect(protocol).toBe('newstyle-fixed');
    expect(exports).toHaveLength(1);
    expect(exports[0]).toMatchObject({
      'export-size': 256 * MIB,
      contexts: ['base:allocation'],
      is_read_only: false,
      can_flush: true,
      can_fua: true,
      can_trim: true,
      can_zero: true,
      can_multi_conn: true,
      block_size_minimum: 1,
      block_size_preferred: 4096,
      block_size_maximum: 32 * MIB,
    });
  });

  itRequiring(['command:nbdinfo'], 'nbdinfo --map, shows data and nothing else', async () => {
    const text = await runClient(['nbdinfo', '--map', '--json', driver.uri]);
    const extents = JSON.parse(text) as { offset: number; length: number; type: number }[];
    expect(extents.every(({ type }) => type === 0)).toBe(true);
    expect(extents.reduce((sum, { length }) => sum + length, 0)).toBe(256 * MIB);
  });

  itRequiring(['command:nbdcopy'], 'nbdcopy, returns the 256 MiB that went in', async () => {
    const [before, after] = [lab.path('before'), lab.path('after')];
    writeFileSync(before, randomBytes(256 * MIB));
    await runClient(['nbdcopy', before, driver.uri], { timeoutMs: 60_000 });
    await runClient(['nbdcopy', driver.uri, after], { timeoutMs: 60_000 });
    expect(sha256(after)).toBe(sha256(before));
  });

  itRequiring(['command:qemu-img'], 'qemu-img bench, runs to its end', async () => {
    for (const args of [[], ['-w'], ['-w', '--flush-interval=64']]) {
      const bench = ['qemu-img', 'bench', '-f', 'raw', '-c', '4000', '-d', '32', '-s', '4k'];
      expect(await runClient([...bench, ...args, driver.uri])).toMatch(/Run completed in/);
    }
  });

  itRequiring(['command:qemu-io'], 'qemu-io, writes and reads unaligned patterns', async () => {
    const places = [
      [0x11, 1, 1],
      [0x22, 511, 2],
      [0x33, 4095, 4098],
      [0x44, 1_000_003, 65_537],
      [0x55, 10_000_001, 2_000_001],
      [0x66, 256 * MIB - 7, 7],
    ] as const;
    const io = ['qemu-io', '-f', 'raw', '-d', 'unmap'];
    const writes = places.flatMap(([byte, at, n]) => ['-c', `write -q -P ${byte} ${at} ${n}`]);
    const blank = ['-c', 'write -q -z 0 16M', '-c', 'write -q -z 255M 1M'];
    await runClient([...io, ...blank, ...writes, '-c', 'flush', driver.uri]);
    const reads = places.flatMap(([byte, at, n]) => ['-c', `read -q -P ${byte} ${at} ${n}`]);
    const gaps = ['read -q -P 0 0 1', 'read -q -P 0 2 509', 'read -q -P 0 513 3582'];
    const result = await runClient([
      ...io,
      ...reads,
      ...gaps.flatMap((c) => ['-c', c]),
      driver.uri,
    ]);
    expect(result).not.toMatch(/verification failed|error/i);
    // The check itself must be able to fail.
    const wrong = await runProgram([...io, '-c', 'read -q -P 1 1 1', driver.uri]);
    expect(`${wrong.code}${wrong.stdout}${wrong.stderr}`).toMatch(/verification failed/);
  });

  itRequiring(
    ['command:qemu-io'],
    'qemu-io, zeroes and discards only what it is told',
    async () => {
      const commands = [
        'write -q -P 0x77 0 8M',
        'write -q -z 1000001 2000003',
        'discard -q 5M 1M',
        'read -q -P 0x77 0 1000001',
        'read -q -P 0 1000001 2000003',
        'read -q -P 0x77 3000004 2000000',
        'read -q -P 0x77 6M 2M',
      ];
      const args = commands.flatMap((command) => ['-c', command]);
      const output = await runClient(['qemu-io', '-f', 'raw', '-d', 'unmap', ...args, driver.uri]);
      expect(output).not.toMatch(/verification failed|error/i);
    },
  );

  for (const depth of [1, 32]) {
    const name = `fio, finds its random mixed writes again, 4 jobs at depth ${depth}`;
    itRequiring(['command:fio'], name, async () => {
      const perJob = depth === 1 ? 8 : 32;
      const argv = ['fio', '--name=mixed', '--ioengine=nbd', `--uri=${driver.uri}`];
      const load = ['--rw=randrw', '--bs=4k', `--iodepth=${depth}`, '--numjobs=4', '--thread'];
      const extent = [`--size=${perJob}M`, `--offset_increment=${perJob}M`];
      const verify = ['--verify=crc32c', '--verify_fatal=1', '--do_verify=1'];
      const output = ['--output-format=json', `--output=${lab.path(`fio-${depth}.json`)}`];
      await runClient([...argv, ...load, ...extent, ...verify, ...output], {
        timeoutMs: 100_000,
        cwd: lab.folder,
      });
      const report = readFileSync(lab.path(`fio-${depth}.json`), 'utf8');
      const { jobs } = JSON.parse(report.slice(report.indexOf('{'))) as FioReport;
      expect(jobs).toHaveLength(4);
      for (const { error, read, write } of jobs) {
        expect(error).toBe(0);
        // All of the extent was either read or written, and the written part read again.
        expect(write.io_bytes).toBeGreaterThan(perJob * MIB * 0.3);
        expect(read.io_bytes).toBeGreaterThanOrEqual(perJob * MIB - 4096);
      }
    });
  }

  itRequiring(['command:nbd-client'], 'nbd-client -l, lists its one export', async () => {
    const output = await runClient(['nbd-client', '-l', '-unix', driver.socketPath]);
    expect(output).toMatch(/^oxmem: OmniXtend memory at 0x100000000 on /m);
  });

  itRequiring(['command:nbdkit', 'command:nbdinfo'], 'nbdkit in front of it', async () => {
    const argv = ['nbdkit', '-r', '-U', '-', 'nbd', `uri=${driver.uri}`];
    const inner = 'nbdinfo --size "$uri"';
    expect((await runClient([...argv, '--run', inner])).trim()).toBe(String(256 * MIB));
  });
});

describeRequiring(
  ['netns', 'raw-socket', 'command:qemu-img'],
  'an export of 48 MiB, used by',
  () => {
    let lab: OxmemLab;
    let driver: LabDriver;
    beforeAll(async () => {
      lab = await OxmemLab.open();
      await lab.startEndpoint('48M');
      driver = await lab.startDriver();
    });
    afterAll(async () => {
      await lab?.close();
    });

    it('qemu-img convert, takes raw and qcow2 images', async () => {
      const [raw, qcow2] = [lab.path('disk.raw'), lab.path('disk.qcow2')];
      const image = Buffer.alloc(32 * MIB);
      image.set(randomBytes(5 * MIB + 512), 3 * MIB);
      image.set(randomBytes(MIB), 31 * MIB);
      writeFileSync(raw, image);
      await runClient(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, qcow2]);
      for (const [format, path] of [
        ['raw', raw],
        ['qcow2', qcow2],
      ] as const) {
        // Other bytes in between: a conversion that does nothing must not pass.
        await runClient(['qemu-io', '-f', 'raw', '-c', 'write -q -P 0xee 0 48M', driver.uri]);
        await runClient(['qemu-img', 'convert', '-n', '-f', format, '-O', 'raw', path, driver.uri]);
        await runClient(['qemu-io', '-f', 'raw', '-c', 'write -q -z 32M 16M', driver.uri]);
        // The export is larger; what lies behind the image must be zeros for the two to be equal.
        const compare = ['qemu-img', 'compare', '-f', format, '-F', 'raw', path, driver.uri];
        expect(await runClient(compare)).toContain('Images are identical');
      }
    });

    it('qemu-img compare, which sees one changed byte', async () => {
      const copy = lab.path('copy.raw');
      await runClient(['qemu-img', 'convert', '-f', 'raw', '-O', 'raw', driver.uri, copy]);
      const compare = ['qemu-img', 'compare', '-f', 'raw', '-F', 'raw', copy, driver.uri];
      expect(await runClient(compare)).toContain('Images are identical');
      await runClient(['qemu-io', '-f', 'raw', '-c', 'write -q -P 0x5a 23456789 1', driver.uri]);
      const { code, stdout } = await runProgram(compare);
      expect(code).toBe(1);
      expect(stdout).toContain(`Content mismatch at offset ${23456789 - (23456789 % 512)}`);
    });
  },
);

interface NbdInfo {
  readonly protocol: string;
  readonly exports: readonly Record<string, unknown>[];
}

interface FioReport {
  readonly jobs: readonly {
    readonly error: number;
    readonly read: { readonly io_bytes: number };
    readonly write: { readonly io_bytes: number };
  }[];
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
