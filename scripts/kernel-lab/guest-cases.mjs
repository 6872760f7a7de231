/** What a guest has done with the cases it was given, whether it came to its end or not. */

/** @typedef {import('../vitest-results.mjs').TestCaseRecord} TestCaseRecord */
/** @typedef {import('./case-lines.mjs').CaseLine} CaseLine */

/**
 * @typedef {object} GuestOutcome
 * @property {readonly TestCaseRecord[]} results what vitest wrote down at the end of each file
 * @property {readonly CaseLine[]} lines what it said as it went
 * @property {string | undefined} [problem] why the guest did not come to its end
 */

/**
 * @typedef {object} GuestSum
 * @property {TestCaseRecord[]} records of what has run, and of what the guest's end took with it
 * @property {string[]} untouched files of which nothing was begun; another guest may take them
 */

/**
 * Nothing is lost: each listed case of the files is in the result, or its file is in `untouched`.
 *
 * @param {readonly string[]} files that the guest was given
 * @param {readonly TestCaseRecord[]} listed the cases that shall run
 * @param {GuestOutcome} outcome
 * @returns {GuestSum}
 */
export function sumUpGuest(files, listed, { results, lines, problem }) {
  const told = new Set(results.map(({ file }) => file));
  const begun = new Set(lines.map(({ file }) => file));
  // Without a first case the trouble is the guest's or the file's own: trying again is no help.
  const mayRetry = problem !== undefined && begun.size > 0;
  const untouched = files.filter((file) => !told.has(file) && !begun.has(file) && mayRetry);
  const lost = files.filter((file) => !told.has(file) && !untouched.includes(file));
  const rescued = listed
    .filter(({ file }) => lost.includes(file))
    .map((record) => rescue(record, lines, problem ?? 'vitest did not tell of it'));
  return { records: [...results, ...rescued], untouched };
}

/**
 * @param {TestCaseRecord} record as it was listed
 * @param {readonly CaseLine[]} lines
 * @param {string} problem
 * @returns {TestCaseRecord}
 */
function rescue({ project, file, name }, lines, problem) {
  const line = lines.findLast((said) => said.file === file && said.name === name);
  const place = { project, file, name, durationMs: line?.durationMs ?? 0 };
  if (line === undefined) return { ...place, state: 'failed', reason: `not run: ${problem}` };
  if (line.state === 'started') {
    return { ...place, state: 'failed', reason: `it ran when the guest ended: ${problem}` };
  }
  const { state, reason } = line;
  return { ...place, state, ...(reason !== undefined && { reason }) };
}
