/**
 * The tests' own machinery: a run over fixture files with one of everything, and what reaches the
 * report. A skip that is not named, or a broken file that is not counted, would fail here.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countStates, printReport } from '../scripts/test-report.mjs';
import type { ResultLine, TestCaseRecord } from '../scripts/vitest-results.mjs';

const root = join(import.meta.dirname, '..');
const requires = JSON.stringify(join(import.meta.dirname, 'requires.ts'));
const needy = `
  import { expect, it } from 'vitest';
  import { describeRequiring, itRequiring } from ${requires};
  describeRequiring(['command:no-such-program'], 'a block', () => {
    it('is not run', () => { expect(1).toBe(2); });
  });
  itRequiring(['command:no-such-program'], 'a single test', () => { expect(1).toBe(2); });
  describeRequiring(['command:sh'], 'a block that can run', () => {
    it('is run', () => { expect(1).toBe(1); });
  });`;
const fixtures: Readonly<Record<string, string>> = {
  'needy.test.ts': needy,
  'plain.test.ts': `
    import { expect, it } from 'vitest';
    it('passes', () => { expect(1).toBe(1); });
    it('fails', () => { expect(1).toBe(2); });
    it('skips itself', (context) => { context.skip('told so'); });
    it.skip('is skipped in the source', () => undefined);`,
  'unloadable.test.ts': `throw new Error('not loadable');`,
  'empty.test.ts': 'export {};',
  'hook.test.ts': `
    import { afterAll, describe, it } from 'vitest';
    describe('a suite', () => {
      it('passes', () => undefined);
      afterAll(() => { throw new Error('the hook fails'); });
    });`,
  'set-up.test.ts': `
    import { beforeAll, describe, it } from 'vitest';
    describe('a suite', () => {
      beforeAll(() => { throw new Error('the set-up fails'); });
      it('cannot run', () => undefined);
      it.skip('is skipped anyway', () => undefined);
    });`,
  'stray.test.ts': `
    import { it } from 'vitest';
    it('passes and leaves a rejection', async () => {
      void Promise.reject(new Error('nobody caught it'));
      await new Promise((resolve) => setTimeout(resolve, 20));
    });`,
};

let folder = '';
let runCount = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'oxmem-machinery-'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const [name, text] of Object.entries(fixtures)) writeFileSync(join(folder, name), text);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  const config = `export default { test: { include: ['*.test.ts'] } };`;
  writeFileSync(join(folder, 'vitest.config.mjs'), config);
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** What a run around this one may have set. */
const clean = { OXMEM_REQUIRE: '', OXMEM_NAME_PATTERN: '' };

function run(files: readonly string[], env: NodeJS.ProcessEnv = {}): ResultLine[] {
  const resultsFile = join(folder, `results-${runCount++}.jsonl`);
  const reporter = `--reporter=${join(root, 'scripts', 'vitest-results.mjs')}`;
  const argv = ['run', '--root', folder, reporter, ...files];
  spawnSync(join(root, 'node_modules', '.bin', 'vitest'), argv, {
    env: { ...process.env, ...clean, OXMEM_RESULTS_FILE: resultsFile, ...env },
    encoding: 'utf8',
  });
  const lines = readFileSync(resultsFile, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as ResultLine);
}

function casesOf(lines: readonly ResultLine[]): TestCaseRecord[] {
  return lines.filter((line) => 'state' in line);
}

function named(cases: readonly TestCaseRecord[], text: string): TestCaseRecord {
  const found = cases.filter(({ name, file }) => `${file} ${name}`.includes(text));
  expect(found, text).toHaveLength(1);
  return found[0]!;
}

describe('the results of a run', () => {
  let lines: ResultLine[] = [];
  let cases: TestCaseRecord[] = [];
  beforeAll(() => {
    lines = run([]);
    cases = casesOf(lines);
  });

  it('end with a line that says that the run came to its end', () => {
    expect(lines.at(-1)).toEqual({ end: true });
  });

  it('name a test that lacks something, with the reason, and do not run it', () => {
    for (const name of ['a block > is not run', 'a single test']) {
      const found = named(cases, name);
      expect(found.state).toBe('skipped');
      expect(found.reason).toContain('no-such-program is not installed');
    }
    expect(named(cases, 'a block that can run > is run').state).toBe('passed');
  });

  it('carry the reason of a test that skips itself, and say when there is none', () => {
    expect(named(cases, 'skips itself')).toMatchObject({ state: 'skipped', reason: 'told so' });
    expect(named(cases, 'is skipped in the source').reason).toContain('no reason given');
  });

  it('count a file that cannot be loaded and a file without a test as failed', () => {
    expect(named(cases, 'unloadable.test.ts')).toMatchObject({
      state: 'failed',
      reason: 'not loadable',
    });
    expect(named(cases, 'empty.test.ts').state).toBe('failed');
  });

  it('count a failing hook as failed, beside the tests that passed', () => {
    const own = cases.filter(({ file }) => file.endsWith('hook.test.ts'));
    expect(countStates(own)).toEqual({ passed: 1, failed: 1, skipped: 0 });
  });

  it('count a test whose set-up fails as failed, not as skipped', () => {
    expect(named(cases, 'cannot run')).toMatchObject({ state: 'failed' });
    expect(named(cases, 'is skipped anyway')).toMatchObject({ state: 'skipped' });
  });

  it('count an error outside of any test as failed', () => {
    expect(named(cases, 'an error outside of any test').reason).toBe('nobody caught it');
  });

  it('add up to every test there is', () => {
    expect(countStates(cases)).toEqual({ passed: 4, failed: 7, skipped: 5 });
  });
});

describe('a name pattern', () => {
  it('leaves only the tests it matches, so that nobody reads the others as skipped', () => {
    const cases = casesOf(run(['needy'], { OXMEM_NAME_PATTERN: 'can run is run' }));
    expect(cases.map(({ name, state }) => [name, state])).toEqual([
      ['a block that can run > is run', 'passed'],
    ]);
  });
});

describe('OXMEM_REQUIRE', () => {
  it('turns the skip of what it names into a failure', () => {
    const cases = casesOf(run(['needy'], { OXMEM_REQUIRE: 'netns,command:no-such-program' }));
    expect(countStates(cases)).toEqual({ passed: 1, failed: 2, skipped: 0 });
  });

  it('leaves skips alone that it does not name', () => {
    const cases = casesOf(run(['needy'], { OXMEM_REQUIRE: 'netns' }));
    expect(countStates(cases)).toEqual({ passed: 1, failed: 0, skipped: 2 });
  });
});

describe('the report', () => {
  const record = (state: TestCaseRecord['state'], name: string): TestCaseRecord => ({
    project: 'unit',
    file: 'a.test.ts',
    name,
    state,
    durationMs: 5,
    ...(state === 'passed' ? {} : { reason: `because of ${name}` }),
  });
  function printed(cases: readonly TestCaseRecord[]): { isGood: boolean; text: string } {
    const lines: string[] = [];
    const original = console.log;
    console.log = (text: string) => void lines.push(text);
    try {
      return { isGood: printReport(cases, { seconds: 1 }), text: lines.join('\n') };
    } finally {
      console.log = original;
    }
  }

  it('ends with the plain sum', () => {
    const { text } = printed([
      record('passed', 'a'),
      record('passed', 'b'),
      record('skipped', 'c'),
    ]);
    expect(text.split('\n').at(-1)).toBe('2 passed, 0 failed, 1 skipped');
  });

  it('names every skipped and every failed test with its reason', () => {
    const { text } = printed([record('skipped', 'c'), record('failed', 'd')]);
    expect(text).toContain('because of c');
    expect(text).toContain('because of d');
  });

  it('is bad when one failed, and when nothing passed', () => {
    expect(printed([record('passed', 'a')]).isGood).toBe(true);
    expect(printed([record('passed', 'a'), record('failed', 'b')]).isGood).toBe(false);
    expect(printed([record('skipped', 'a')]).isGood).toBe(false);
  });
});
