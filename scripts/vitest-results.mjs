/**
 * A vitest reporter that writes one JSON line per test case, as the files finish. A run that crashes
 * half way has then still told what it did; the line `end` is missing and its reader counts that.
 */
import { appendFileSync } from 'node:fs';
import { relative } from 'node:path';
import { repositoryRoot } from './repository.mjs';

/**
 * @typedef {object} TestCaseRecord
 * @property {string} project unit, property, sim, native, e2e, or what else ran
 * @property {string} file relative to the repository root
 * @property {string} name the full name
 * @property {'passed' | 'failed' | 'skipped'} state
 * @property {number} durationMs
 * @property {string} [reason] why it was skipped, or what failed
 */

/** @typedef {TestCaseRecord | { end: true }} ResultLine */

export default class ResultsReporter {
  constructor() {
    /** Where the lines go. */
    this.file = process.env.OXMEM_RESULTS_FILE ?? '';
    /** Only tests whose name it matches are told; vitest calls all others skipped. */
    this.namePattern = new RegExp(process.env.OXMEM_NAME_PATTERN ?? '');
    /** @type {Set<string>} */
    this.finishedModules = new Set();
  }

  /** @param {import('vitest/node').TestModule} module */
  onTestModuleEnd(module) {
    if (this.finishedModules.has(module.id)) return;
    this.finishedModules.add(module.id);
    const place = { project: module.project.name, file: relative(repositoryRoot, module.moduleId) };
    const tests = [...module.children.allTests()];
    for (const test of tests.filter(({ fullName }) => this.isWanted(fullName))) {
      this.write({ ...place, ...caseOf(test) });
    }
    const broken = [...module.children.allSuites()].filter((suite) => suite.errors().length > 0);
    for (const suite of broken) {
      this.write(failure(place, `${suite.fullName} (outside of its tests)`, suite.errors()));
    }
    if (module.errors().length > 0) {
      this.write(failure(place, '(the file itself)', module.errors()));
    } else if (tests.length === 0) {
      this.write(failure(place, '(the file itself)', [{ message: 'it holds no test' }]));
    }
  }

  /**
   * @param {ReadonlyArray<import('vitest/node').TestModule>} modules
   * @param {ReadonlyArray<{ message: string }>} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    for (const module of modules) this.onTestModuleEnd(module);
    for (const error of unhandledErrors) {
      const place = { project: modules[0]?.project.name ?? '', file: '' };
      this.write(failure(place, '(an error outside of any test)', [error]));
    }
    this.write({ end: true });
  }

  /** @param {string} fullName */
  isWanted(fullName) {
    return (
      this.namePattern.test(fullName) || this.namePattern.test(fullName.replaceAll(' > ', ' '))
    );
  }

  /** @param {ResultLine} line */
  write(line) {
    if (this.file !== '') appendFileSync(this.file, `${JSON.stringify(line)}\n`);
  }
}

/**
 * @param {import('vitest/node').TestCase} test
 * @returns {Pick<TestCaseRecord, 'name' | 'state' | 'durationMs' | 'reason'>}
 */
function caseOf(test) {
  const result = test.result();
  const durationMs = test.diagnostic()?.duration ?? 0;
  const name = test.fullName;
  if (result.state === 'passed') return { name, state: 'passed', durationMs };
  if (result.state === 'skipped' && hasBrokenSetUp(test)) {
    return { name, state: 'failed', durationMs, reason: 'not run: the set-up around it failed' };
  }
  if (result.state === 'skipped') {
    return { name, state: 'skipped', durationMs, reason: result.note ?? skipReason(test) };
  }
  const reason =
    result.state === 'pending' ? 'it did not finish' : (result.errors[0]?.message ?? 'failed');
  return { name, state: 'failed', durationMs, reason };
}

/**
 * vitest calls a test skipped when a hook before it failed; it was not skipped by anybody's will.
 *
 * @param {import('vitest/node').TestCase} test
 * @returns {boolean}
 */
function hasBrokenSetUp(test) {
  if (test.options.mode === 'skip' || test.options.mode === 'todo') return false;
  /** @type {import('vitest/node').TestSuite | import('vitest/node').TestModule} */
  let around = test.parent;
  while (around.type === 'suite' && around.errors().length === 0) around = around.parent;
  return around.errors().length > 0;
}

/**
 * @param {import('vitest/node').TestCase} test
 * @returns {string} what tests/requires.ts left in the metadata of the test or of a suite around it
 */
function skipReason(test) {
  /** @type {import('vitest/node').TestCase | import('vitest/node').TestSuite} */
  let task = test;
  for (;;) {
    const { skipReason: reason } = /** @type {{ skipReason?: unknown }} */ (task.meta());
    if (typeof reason === 'string') return reason;
    if (task.parent.type === 'module') return 'skipped in the source, no reason given';
    task = task.parent;
  }
}

/**
 * @param {{ project: string, file: string }} place
 * @param {string} name
 * @param {ReadonlyArray<{ message: string }>} errors
 * @returns {TestCaseRecord}
 */
function failure(place, name, errors) {
  const reason = errors.map((error) => error.message).join('; ');
  return { ...place, name, state: 'failed', durationMs: 0, reason };
}
