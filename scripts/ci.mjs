/**
 * Everything that must hold before a change lands: the set-up, the checks, all tests. Each check is
 * one case of the sum; its output is shown when it fails. `--checks-only` leaves the tests out.
 */
import { stripVTControlCharacters } from 'node:util';
import { bootstrap } from './bootstrap.mjs';
import { createProgress } from './progress.mjs';
import { repositoryRoot } from './repository.mjs';
import { runCaptured, tail } from './run-command.mjs';
import { printFailure } from './setup-error.mjs';
import { printReport } from './test-report.mjs';
import { provideTestTools, runTests } from './test.mjs';

/** @typedef {import('./vitest-results.mjs').TestCaseRecord} TestCaseRecord */

/** Scripts of package.json, cheap ones first. */
const checks = [
  'format:check',
  'lock:check',
  'docs:check',
  'lint',
  'lint:selftest',
  'typecheck',
  'layers',
  'unused',
  'docs:site',
  'pack:check',
];

/**
 * @param {string} name
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./progress.mjs').Progress} progress
 * @returns {Promise<TestCaseRecord>}
 */
async function runCheck(name, env, progress) {
  const startedMs = performance.now();
  const result = await progress.step(`check: ${name}`, () =>
    runCaptured(['pnpm', 'run', '--silent', name], { cwd: repositoryRoot, env }),
  );
  const durationMs = performance.now() - startedMs;
  const place = { project: 'check', file: '', name: `check: ${name}`, durationMs };
  if (result.code === 0) return { ...place, state: 'passed' };
  const output = stripVTControlCharacters(result.output);
  console.log(`${tail(output, 150)}\ncheck: ${name} failed\n`);
  return { ...place, state: 'failed', reason: `"pnpm ${name}" shows it (exit ${result.code})` };
}

const startedMs = performance.now();
const progress = createProgress();
/** @type {TestCaseRecord[]} */
const cases = [];
try {
  const { env } = await bootstrap({ progress });
  for (const name of checks) cases.push(await runCheck(name, env, progress));
  if (!process.argv.includes('--checks-only')) {
    await provideTestTools(progress);
    cases.push(...(await runTests(env, [])));
  }
} catch (error) {
  printFailure(error);
  const reason = error instanceof Error ? error.message : String(error);
  cases.push({
    project: 'check',
    file: '',
    name: 'check: set-up',
    state: 'failed',
    durationMs: 0,
    reason,
  });
}
const seconds = (performance.now() - startedMs) / 1000;
process.exitCode = printReport(cases, { seconds }) ? 0 : 1;
