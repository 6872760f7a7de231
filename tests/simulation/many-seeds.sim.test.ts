import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

/** Runs of one `npm test`. */
const RUNS = 2_000;

it(`every invariant holds in ${RUNS} runs of seeds from 1 on`, () => {
  const args = ['scripts/sim.mjs', `--runs=${RUNS}`, '--first-seed=1'];
  const result = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  const output = `${result.stdout}${result.stderr}`;
  expect(result.status, output).toBe(0);
  expect(output).toContain(`every invariant held in ${RUNS} runs`);
  console.log(output.trim().split('\n').at(-1));
}, 600_000);
