/**
 * A vitest reporter for the guest: one marked line on standard output when a case begins and one
 * when it ends. They show how far a guest is, and what it was at when it died.
 */

/**
 * @typedef {object} CaseLine
 * @property {string} file relative to the root of the repository
 * @property {string} name the full name of the case
 * @property {'started' | 'passed' | 'failed' | 'skipped'} state
 * @property {number} durationMs 0 for one that has just begun
 * @property {string} [reason] why it failed
 */

/** What marks a line; it does not occur in what programs print. */
const mark = '\u001e';

export default class CaseLinesReporter {
  /** @param {import('vitest/node').TestCase} test */
  onTestCaseReady(test) {
    if (test.options.mode === 'run') print(test, 'started');
  }

  /** @param {import('vitest/node').TestCase} test */
  onTestCaseResult(test) {
    const { state } = test.result();
    if (state !== 'pending') print(test, state);
  }
}

/**
 * @param {import('vitest/node').TestCase} test
 * @param {CaseLine['state']} state
 */
function print(test, state) {
  const reason = test.result().errors?.[0]?.message;
  /** @type {CaseLine} */
  const line = {
    file: test.module.relativeModuleId,
    name: test.fullName,
    state,
    durationMs: Math.round(test.diagnostic()?.duration ?? 0),
    ...(reason !== undefined && { reason }),
  };
  process.stdout.write(`\n${mark}${JSON.stringify(line)}\n`);
}

/**
 * Takes the marked lines out of a stream of text.
 *
 * @param {(line: CaseLine) => void} onLine
 * @returns {(text: string) => void} give it the text piece by piece
 */
export function caseLineParser(onLine) {
  let rest = '';
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith(mark)) onLine(JSON.parse(line.slice(mark.length)));
    }
  };
}

/**
 * @param {string} text
 * @returns {string} without the marked lines
 */
export function withoutCaseLines(text) {
  return text.replaceAll(new RegExp(`\\n${mark}[^\\n]*\\n`, 'g'), '');
}
