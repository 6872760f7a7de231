/** The end of a test run: what was skipped and why, what failed, what was slow, and the true sum. */

/** @typedef {import('./vitest-results.mjs').TestCaseRecord} TestCaseRecord */

/**
 * @param {readonly TestCaseRecord[]} cases
 * @returns {{ passed: number, failed: number, skipped: number }}
 */
export function countStates(cases) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { state } of cases) counts[state]++;
  return counts;
}

/**
 * Prints the report. Its last line is `N passed, N failed, N skipped`, the sum over all cases given.
 *
 * @param {readonly TestCaseRecord[]} cases
 * @param {{ seconds: number }} run how long it all took
 * @returns {boolean} whether nothing failed and something passed
 */
export function printReport(cases, { seconds }) {
  const counts = countStates(cases);
  const lines = [
    '',
    ...projectTable(cases),
    ...listing('Skipped', cases, 'skipped'),
    ...slowest(cases),
    ...listing('Failed', cases, 'failed'),
    '',
    `Took ${Math.round(seconds)} s.${counts.passed + counts.failed === 0 ? ' No test ran.' : ''}`,
    `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`,
  ];
  console.log(lines.join('\n'));
  return counts.failed === 0 && counts.passed > 0;
}

/** @param {readonly TestCaseRecord[]} cases */
function projectTable(cases) {
  const projects = [...new Set(cases.map(({ project }) => project))];
  const rows = projects.map((project) => {
    const own = cases.filter((testCase) => testCase.project === project);
    const { passed, failed, skipped } = countStates(own);
    const seconds = own.reduce((sum, { durationMs }) => sum + durationMs, 0) / 1000;
    return [project, String(passed), String(failed), String(skipped), `${seconds.toFixed(1)} s`];
  });
  return table(['project', 'passed', 'failed', 'skipped', 'time in tests'], rows);
}

/**
 * @param {readonly string[]} header
 * @param {readonly string[][]} rows
 * @returns {string[]} first column to the left, the others to the right
 */
function table(header, rows) {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  return [header, ...rows].map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  '),
  );
}

/**
 * @param {string} title
 * @param {readonly TestCaseRecord[]} cases
 * @param {TestCaseRecord['state']} state
 */
function listing(title, cases, state) {
  const wanted = cases.filter((testCase) => testCase.state === state);
  if (wanted.length === 0) return [];
  const line = (/** @type {TestCaseRecord} */ testCase) =>
    `  ${describe(testCase)}\n      ${firstLine(testCase.reason ?? 'no reason given')}`;
  return ['', `${title} (${wanted.length}):`, ...wanted.map(line)];
}

/** @param {readonly TestCaseRecord[]} cases */
function slowest(cases) {
  const ranked = [...cases]
    .filter(({ durationMs }) => durationMs >= 1)
    .sort((left, right) => right.durationMs - left.durationMs)
    .slice(0, 10);
  const line = (/** @type {TestCaseRecord} */ testCase) =>
    `  ${(testCase.durationMs / 1000).toFixed(2).padStart(7)} s  ${describe(testCase)}`;
  return ranked.length === 0 ? [] : ['', 'Slowest:', ...ranked.map(line)];
}

/** @param {TestCaseRecord} testCase */
function describe({ project, file, name }) {
  return [`[${project}]`, file, name].filter((part) => part !== '').join(' ');
}

/** @param {string} text */
function firstLine(text) {
  const [line = ''] = text.trim().split('\n');
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
