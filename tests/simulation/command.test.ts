import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readOptions } from './options.ts';
import { samplePlan } from './sample-plans.ts';

const root = join(import.meta.dirname, '..', '..');
const defaults = { workers: 2 };

function sim(...args: readonly string[]) {
  const argv = [join(root, 'scripts', 'sim.mjs'), ...args];
  return spawnSync(process.execPath, argv, { cwd: root, encoding: 'utf8' });
}

describe('the command line of the simulation', () => {
  it.each([
    [['--seed=7'], { kind: 'replay', seed: 7, hasTrace: false }],
    [['--seed', '7', '--trace'], { kind: 'replay', seed: 7, hasTrace: true }],
    [['--plan=a.json'], { kind: 'replay', planFile: 'a.json' }],
    [['--runs=10', '--first-seed=3'], { kind: 'swarm', runs: 10, firstSeed: 3, workers: 2 }],
    [['--minutes=0.5'], { kind: 'swarm', minutes: 0.5, runs: Infinity }],
  ])('%j is understood', (argv, expected) => {
    expect(readOptions(argv, defaults)).toMatchObject(expected);
  });

  it.each([
    [[], 'one of --seed'],
    [['--seed=1', '--runs=2'], 'one of --seed'],
    [['--seed=x'], '--seed=x is not a whole number'],
    [['--runs=0'], '--runs=0 is not'],
    [['--minutes=long'], '--minutes=long is not a number'],
    [['--sed=1'], 'sed'],
  ])('%j is refused', (argv, text) => {
    const options = readOptions(argv, defaults);
    expect(options).toMatchObject({ kind: 'problem' });
    expect(JSON.stringify(options)).toContain(text);
  });

  it('a failing plan is told with its seed, its commit and exit code 1', () => {
    const folder = mkdtempSync(join(tmpdir(), 'oxmem-sim-'));
    try {
      // Nothing comes through, and every operation must succeed.
      const plan = samplePlan(5, { endpoint: { denyChance: 1 } });
      const file = join(folder, 'plan.json');
      writeFileSync(file, JSON.stringify(plan));
      const { status, stderr, stdout } = sim('--plan', file);
      expect(status).toBe(1);
      expect(stderr).toContain('invariant 5 (liveness): driver 0 has');
      expect(stderr).toMatch(/seed 5 at commit \S+/);
      expect(stdout).toContain('every operation must succeed');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, 120_000);

  it('a seed is shown frame by frame', () => {
    const { status, stdout } = sim('--seed=6', '--trace');
    expect(status, stdout).toBe(0);
    expect(stdout).toMatch(/\d+\.\d{3} ms {2}driver 0 +sends Open seq \d+/);
    expect(stdout).toMatch(/driver 0 +is open, the endpoint is \w+/);
    expect(stdout).toContain('every invariant held');
  }, 120_000);
});
