/** What became of a scenario. */
export type Outcome = 'pass' | 'fail' | 'not-supported';

/** How a scenario ends that does not pass. */
export class Verdict extends Error {
  override readonly name = 'Verdict';
  readonly outcome: Exclude<Outcome, 'pass'>;

  constructor(outcome: Exclude<Outcome, 'pass'>, message: string) {
    super(message);
    this.outcome = outcome;
  }
}

/** @throws Verdict: the endpoint has failed; `why` says what it did */
export function fail(why: string): never {
  throw new Verdict('fail', why);
}

/** @throws Verdict: the endpoint refuses properly what it need not have */
export function notSupported(why: string): never {
  throw new Verdict('not-supported', why);
}

/** @throws Verdict unless `isRight`; `why` says what the endpoint did instead */
export function demand(isRight: boolean, why: string): asserts isRight {
  if (!isRight) fail(why);
}
