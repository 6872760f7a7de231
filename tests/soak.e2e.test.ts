/** The long run, a minute of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeRequiring } from './requires.ts';
import { planPhases } from './soak/phases.mjs';
import type { Report } from './soak/report.mjs';

const program = join(import.meta.dirname, '..', 'scripts', 'soak.mjs');
const SEED = 3;
const FILES = ['report.json', 'report.txt', 'samples.jsonl'];

describeRequiring(['netns', 'raw-socket'], 'the long run', () => {
  let results = '';
  beforeEach(() => {
    results = mkdtempSync(join(tmpdir(), 'oxmem-results-'));
  });
  afterEach(() => {
    rmSync(results, { recursive: true, force: true });
  });

  function start() {
    const args = [program, '--minutes=1', `--seed=${SEED}`, `--results=${results}`];
    // Temporary files of its own: others may run at the same time.
    const env = { ...process.env, TMPDIR: results };
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    }
    return { child, output: () => output };
  }

  function report(): Report {
    return JSON.parse(readFileSync(join(results, 'report.json'), 'utf8')) as Report;
  }

  it('of a minute passes, and records what it saw', { timeout: 240_000 }, async () => {
    const { child, output } = start();
    const [code] = (await once(child, 'close')) as [number | null];
    expect(code, output()).toBe(0);
    const { verdict, problems, phases, growth, bytesVerified, command } = report();
    expect({ verdict, problems }).toEqual({ verdict: 'passed', problems: [] });
    const names = planPhases(SEED, 60).map((phase) => phase.name);
    expect(Object.keys(phases)).toEqual(expect.arrayContaining(names));
    expect(bytesVerified).toBeGreaterThan(10_000_000);
    const judged = growth.map(({ program: whose, figure }) => `${whose} ${figure}`);
    expect(judged).toContain('driver heap');
    expect(judged).toContain('endpoint descriptors');
    expect(command).toBe('pnpm soak --minutes=1 --seed=3');
    const lines = readFileSync(join(results, 'samples.jsonl'), 'utf8').trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(40);
    expect(JSON.parse(lines[20] ?? '')).toMatchObject({
      phase: expect.any(String) as string,
      latencyMs: { p999: expect.any(Number) as number },
      driver: {
        heapBytes: expect.any(Number) as number,
        descriptors: expect.any(Number) as number,
      },
    });
    expect(readdirSync(results).toSorted()).toEqual(FILES);
  });

  it('stopped by Ctrl-C reads everything once more and reports', async () => {
    const { child, output } = start();
    for await (const text of child.stderr) if (/ requests, /.test(text as string)) break;
    child.kill('SIGINT');
    const [code] = (await once(child, 'close')) as [number | null];
    expect(code, output()).toBe(0);
    expect(report()).toMatchObject({ verdict: 'passed', wasInterrupted: true, problems: [] });
    expect(output()).toContain('soak: PASSED (ended early)');
    expect(readdirSync(results).toSorted()).toEqual(FILES);
  });
});
