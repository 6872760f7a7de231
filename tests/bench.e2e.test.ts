import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LatencyHistogram } from '../bench/latency-histogram.mjs';
import { sharesOf } from '../bench/driver-profile.mjs';
import { summarise, type RowResult } from '../bench/measure-row.mjs';
import { buildNativePrograms, nativeProgram } from '../bench/native-programs.mjs';
import { parseOptions, type BenchOptions } from '../bench/options.mjs';
import { formatPage } from '../bench/page.mjs';
import { makePlan } from '../bench/plan.mjs';
import { makeProcessPlan } from '../bench/process-rows.mjs';
import { judge } from '../bench/report.mjs';
import { PATTERN_BLOCK_BYTES, SmallRandom, TestPattern } from '../bench/test-pattern.mjs';
import { describeRequiring } from './requires.ts';

const program = join(import.meta.dirname, '..', 'scripts', 'bench.mjs');
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oxmem-bench-test-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describeRequiring(['netns', 'raw-socket', 'command:gcc'], 'the benchmark', () => {
  it('runs every kind of row once and prints them with their ceilings', async () => {
    const json = join(folder, 'results.json');
    const { child, output } = startBench(['--smoke', `--json=${json}`]);
    const [code] = (await once(child, 'close')) as [number | null];
    expect(code, output()).toBe(0);
    const report = JSON.parse(readFileSync(json, 'utf8')) as { rows: RowResult[] };
    const options = { rows: [], size: 'smoke' } as const;
    const planned = [...makePlan(options), ...makeProcessPlan(options)].map(({ name }) => name);
    expect(report.rows.map(({ name }) => name)).toEqual(planned);
    for (const name of planned) expect(output()).toContain(name);
    for (const { name, figures } of report.rows) {
      for (const { median } of figures) expect(median, name).toBeTypeOf('number');
    }
    expect(readFileSync(json.replace('.json', '.html'), 'utf8')).toContain(planned[0]);
    expect(temporaryFiles()).toEqual([]);
  });

  it('takes everything down with it when it is told to stop', async () => {
    const { child, output, mark } = startBench(['--smoke']);
    await until(() => output().includes('seq read'));
    child.kill('SIGTERM');
    const [code] = (await once(child, 'close')) as [number | null];
    expect(code).toBe(130);
    expect(processesWith(mark)).toEqual([]);
    expect(temporaryFiles()).toEqual([]);
  });

  it('takes everything down even when it is killed', async () => {
    const { child, output, mark } = startBench(['--smoke']);
    await until(() => output().includes('seq read'));
    child.kill('SIGKILL');
    await until(() => processesWith(mark).length === 0);
    expect(temporaryFiles()).toEqual([]);
  });

  it('refuses what it does not know with one sentence', async () => {
    const { child, output } = startBench(['--smok']);
    const [code] = (await once(child, 'close')) as [number | null];
    expect(code).toBe(2);
    expect(output()).toContain("Unknown option '--smok'");
  });
});

describeRequiring(['command:nbdkit', 'command:gcc'], 'the load generator', () => {
  const sizeBytes = 16 * 1024 * 1024;
  const running: ChildProcess[] = [];
  afterEach(() => {
    for (const child of running.splice(0)) child.kill('SIGTERM');
  });

  /** What nbd-load answers to `lines`, and how it ended. */
  async function load(plugin: string, lines: readonly string[]) {
    await buildNativePrograms();
    const path = join(folder, 'nbd.sock');
    // The pid file comes when it listens.
    const pidFile = join(folder, 'nbd.pid');
    const places = ['--foreground', '--unix', path, '--pidfile', pidFile];
    running.push(spawn('nbdkit', [...places, plugin, String(sizeBytes)], { stdio: 'ignore' }));
    await until(() => readdirSync(folder).includes('nbd.pid'));
    const target = `unix:${path}:`;
    const client = spawn(nativeProgram('nbd-load'), [target, target]);
    running.push(client);
    let output = '';
    client.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    client.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    client.stdin.on('error', () => undefined);
    client.stdin.end(`${lines.join('\n')}\n`);
    const [code] = (await once(client, 'close')) as [number | null];
    return { code, output };
  }

  it('finds what it wrote in a server that keeps it, in any order, on two connections', async () => {
    const run = 'run 0.1 0 0 2 write random 4096 32';
    const { code, output } = await load('memory', [
      'fill',
      run,
      run.replace('write', 'read'),
      'verify',
    ]);
    expect(code, output).toBe(0);
    const [, , writing, reading] = output.split('\n');
    for (const line of [writing, reading]) {
      const [group] = (JSON.parse(line ?? '') as { groups: { requests: number }[] }).groups;
      expect(group?.requests).toBeGreaterThan(0);
    }
  });

  it('does not believe a server that forgets what was written', async () => {
    const { code, output } = await load('null', ['fill', 'verify']);
    expect(code).toBe(1);
    expect(output).toMatch(/wrong data/);
  });
});

describe('the test pattern', () => {
  const twoBlocks = 2 * PATTERN_BLOCK_BYTES;

  it('accepts a range in pieces that were cut anywhere', () => {
    const pattern = new TestPattern(twoBlocks);
    const bytes = Buffer.alloc(twoBlocks);
    pattern.writeNext(0, bytes, 0, twoBlocks);
    for (const cut of [1, 17, 4095, 4096, 4097, 8191]) {
      expect(pattern.mismatch(0, bytes, 0, cut)).toBe(-1);
      expect(pattern.mismatch(cut, bytes, cut, twoBlocks)).toBe(-1);
    }
  });

  it('tells one wrong byte, another block, and an older generation', () => {
    const pattern = new TestPattern(twoBlocks);
    const bytes = Buffer.alloc(twoBlocks);
    pattern.writeNext(0, bytes, 0, twoBlocks);
    expect(pattern.mismatch(PATTERN_BLOCK_BYTES, bytes, 0, PATTERN_BLOCK_BYTES)).toBe(4096);
    const broken = Buffer.from(bytes);
    broken[5000] = (bytes[5000] ?? 0) ^ 1;
    expect(pattern.mismatch(0, broken, 0, twoBlocks)).toBe(4096);
    pattern.writeNext(0, Buffer.alloc(PATTERN_BLOCK_BYTES), 0, PATTERN_BLOCK_BYTES);
    expect(pattern.mismatch(0, bytes, 0, twoBlocks)).toBe(0);
  });
});

describe('the figures', () => {
  it('give percentiles within 0.6 percent of the sorted durations', () => {
    const histogram = new LatencyHistogram();
    const random = new SmallRandom(7);
    const micros = Array.from({ length: 20_000 }, () => 1 + 2 ** (random.next() / 2 ** 28));
    for (const each of micros) histogram.add(each);
    micros.sort((a, b) => a - b);
    for (const share of [0.001, 0.5, 0.99, 0.999, 1]) {
      const exact = micros[Math.ceil(share * micros.length) - 1] ?? NaN;
      expect(Math.abs(histogram.percentile(share) / exact - 1)).toBeLessThan(0.006);
    }
  });

  it('are medians of ratios taken pair by pair', () => {
    const rates = (...values: number[]) => values.map((rate) => ({ megabytesPerSecond: rate }));
    const figure = { pick: 'rate', isRatio: true } as const;
    const result = summarise(figure, rates(50, 30, 80), rates(100, 100, 100));
    expect(result).toMatchObject({ median: 0.5, least: 0.3, most: 0.8 });
    // A machine that was half as fast for one pair changes nothing.
    expect(summarise(figure, rates(50, 15, 80), rates(100, 50, 100)).median).toBe(0.5);
  });

  it('are judged by what must be reached and by the aim', () => {
    const less = { better: 'less', least: 10, aim: 3 } as const;
    expect([2, 7, 11].map((value) => judge(less, value))).toEqual(['aim', 'met', 'missed']);
    const more = { better: 'more', least: 0.6, aim: 0.8 } as const;
    expect([0.5, 0.6, 0.9].map((value) => judge(more, value))).toEqual(['missed', 'met', 'aim']);
    expect(judge(more, NaN)).toBe('unknown');
  });

  it('of perf are summed by whose the code is', () => {
    const dist = 'file:///somewhere/packages/tloe-protocol/dist';
    const report = [
      '  8.36%  [kernel.kallsyms]    [k] _copy_from_iter',
      `  4.34%  [JIT] tid 20536      [.] JS:*#send ${dist}/link/link.js:79:20`,
      `  2.00%  [JIT] tid 20536      [.] JS:*copy ${dist}/block-copier.js:19:1`,
      '  3.00%  [JIT] tid 20536      [.] JS:*x file:///y/packages/nbd-protocol/dist/session/z.js:1',
      '  0.82%  node                 [.] Builtins_LoadIC',
      '  0.31%  libc.so.6            [.] memmove',
    ].join('\n');
    const { parts, script } = sharesOf(report);
    expect([...parts]).toEqual([
      ['kernel', 8.36],
      ['addons and C library', 0.31],
      ['link', 4.34],
      ['tloe-protocol, other', 2],
      ['nbd-protocol', 3],
      ['engine and its built-in functions', 0.82],
    ]);
    expect(script).toBeCloseTo(9.34);
    expect(sharesOf('').script).toBeNaN();
  });

  it('stand on a page of their own, with those of former runs', () => {
    const figure = { label: 'a & b', isRatio: true, unit: '', goal: undefined };
    const span = { median: 0.5, least: 0.4, most: 0.6 };
    const row = { name: 'x < y', section: 's', ours: [], reference: [] };
    const { options } = parseOptions(['--quick']) as { options: BenchOptions };
    const machine = { cpu: 'c', cores: 2, memoryGibibytes: 1, kernel: 'k', node: 'n', commit: 'i' };
    const report = {
      startedAt: '2026-01-01T00:00:00Z',
      machine,
      loadAverage: { before: 0, after: 0 },
      options,
      rows: [{ ...row, figures: [{ ...figure, ...span }] }],
    };
    const past = { startedAt: '', commit: '', medians: { 'x < y: a & b': 0.4 } };
    const page = formatPage(report, [past, past]);
    expect(page).toContain('x &lt; y: a &amp; b');
    expect(page).toContain('<polyline');
    expect(page).not.toMatch(/<script|https?:/);
  });
});

/** Its children inherit the mark, by which those that stay behind can be found. */
function startBench(args: readonly string[]) {
  const mark = `OXMEM_BENCH_TEST=${process.pid}-${performance.now()}`;
  const [name = '', value] = mark.split('=');
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, TMPDIR: folder, [name]: value },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return { child, output: () => output, mark };
}

function processesWith(mark: string): string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      const isEnded = /^State:\s+Z/m.test(readFileSync(`/proc/${name}/status`, 'utf8'));
      return !isEnded && readFileSync(`/proc/${name}/environ`, 'utf8').includes(mark);
    } catch {
      return false; // no process, or gone meanwhile
    }
  });
}

function temporaryFiles(): string[] {
  const results = ['results.json', 'results.html', 'bench-history.jsonl'];
  return readdirSync(folder).filter((name) => !results.includes(name));
}

async function until(isReached: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!isReached()) {
    if (performance.now() > deadline) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
