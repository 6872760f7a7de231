import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LatencyHistogram } from '../bench/latency-histogram.mjs';
import { LoadRun, fillAll, verifyAll } from '../bench/load-run.mjs';
import { NbdClient } from '../bench/nbd-client.mjs';
import { MOST_IN_FLIGHT, makePlan } from '../bench/plan.mjs';
import { summariseCeiling } from '../bench/report.mjs';
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
    const report = JSON.parse(readFileSync(json, 'utf8')) as { blocks: { rows: unknown[] }[] };
    const planned = makePlan({ rows: [], smoke: true });
    for (const { name } of planned.flatMap((block) => block.rows)) expect(output()).toContain(name);
    expect(report.blocks.map((block) => block.rows.length)).toEqual(
      planned.map((block) => block.rows.length),
    );
    expect(output()).toMatch(/k frames\/s of 1070 B/);
    expect(output()).toMatch(/k frames\/s of 4142 B/);
    expect(temporaryFiles()).toEqual([]);
  });

  it('takes everything down with it when it is told to stop', async () => {
    const { child, output, mark } = startBench(['--smoke']);
    await until(() => output().includes('seq write'));
    child.kill('SIGTERM');
    const [code] = (await once(child, 'close')) as [number | null];
    expect(code).toBe(130);
    expect(processesWith(mark)).toEqual([]);
    expect(temporaryFiles()).toEqual([]);
  });

  it('takes everything down even when it is killed', async () => {
    const { child, output, mark } = startBench(['--smoke']);
    await until(() => output().includes('seq write'));
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

describeRequiring(['command:nbdkit'], 'the load generator', () => {
  const sizeBytes = 4 * 1024 * 1024;
  const servers: { kill(): void }[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.kill();
  });

  async function connectTo(plugin: string): Promise<NbdClient> {
    const path = join(folder, 'nbd.sock');
    // The pid file comes when it listens.
    const pidFile = join(folder, 'nbd.pid');
    const places = ['--unix', path, '--pidfile', pidFile];
    const argv = ['nbdkit', '--foreground', ...places, plugin, String(sizeBytes)];
    const [name = '', ...args] = argv;
    const server = spawn(name, args, { stdio: 'ignore' });
    servers.push({ kill: () => void server.kill('SIGTERM') });
    await until(() => readdirSync(folder).includes('nbd.pid'));
    return NbdClient.connect(path, new TestPattern(sizeBytes), MOST_IN_FLIGHT);
  }

  it('finds what it wrote in a server that keeps it, in any order and at any depth', async () => {
    const client = await connectTo('memory');
    expect(client.exportBytes).toBe(sizeBytes);
    await fillAll(client, sizeBytes);
    const limits = { sizeBytes, requests: 500 };
    const load = { order: 'random', requestBytes: 4096, depth: 32 } as const;
    await new LoadRun(client, { ...load, kind: 'write' }, limits).run();
    const reading = await new LoadRun(client, { ...load, kind: 'read' }, limits).run();
    expect(reading.requests).toBe(500);
    await verifyAll(client, sizeBytes);
    await client.close();
  });

  it('does not believe a server that forgets what was written', async () => {
    const client = await connectTo('null');
    await fillAll(client, sizeBytes);
    await expect(verifyAll(client, sizeBytes)).rejects.toThrow(/wrong data at byte/);
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

  it('take the median of the ceilings before and after', () => {
    const runs = [5, 1, 9, 2].map((megabytes) => ({
      frameBytes: 1070,
      payloadBytes: 1024,
      seconds: 1,
      framesSent: 1,
      framesArrived: 1,
      framesPerSecond: 1000 * megabytes,
      payloadMegabytesPerSecond: megabytes,
      wireMegabytesPerSecond: megabytes,
    }));
    const three = summariseCeiling(runs.slice(0, 2), runs.slice(2, 3));
    expect(three.payloadMegabytesPerSecond).toBe(5);
    expect(summariseCeiling(runs, []).payloadMegabytesPerSecond).toBe(3.5);
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
  return readdirSync(folder).filter((name) => name !== 'results.json');
}

async function until(isReached: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!isReached()) {
    if (performance.now() > deadline) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
