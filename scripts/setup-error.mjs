import { tail } from './run-command.mjs';

/** The set-up cannot go on: what failed, what to do about it, and the end of what was printed. */
export class SetupError extends Error {
  /**
   * @param {string} sentence what failed
   * @param {string} remedy what the user can do
   * @param {string} [output] of the program that failed
   */
  constructor(sentence, remedy, output = '') {
    super(sentence);
    this.name = 'SetupError';
    this.remedy = remedy;
    this.output = output;
  }
}

/**
 * Prints a failure for a person: the end of the output first, the sentence and the remedy last.
 *
 * @param {unknown} error
 */
export function printFailure(error) {
  if (!(error instanceof SetupError)) {
    console.error(error);
    return;
  }
  if (error.output !== '') console.error(`${tail(error.output, 40)}\n`);
  console.error(`${error.message}\n${error.remedy}`);
}
