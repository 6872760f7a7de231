/**
 * States what must hold. A failure is a programmer's error, never bad input, and ends the program
 * loudly; it stays on in production.
 *
 * @throws AssertionError when `condition` is false
 */
export function assert(condition: boolean, text: string): asserts condition {
  if (!condition) throw new AssertionError(text);
}

/** A broken invariant of this package. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
  readonly code = 'ERR_ASSERTION';
}
