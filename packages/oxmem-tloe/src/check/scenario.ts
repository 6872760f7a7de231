import type { Dialogue } from './dialogue.ts';

/** What became of a scenario. */
export type Outcome = 'pass' | 'fail' | 'not-supported';

/** A dialogue with an endpoint, and what it must come to. */
export interface Scenario {
  /** As in `--only`. */
  readonly name: string;
  /** What an endpoint does, as a sentence. */
  readonly title: string;
  /** Section of the specification, or the reason. */
  readonly basis: string;
  /** Without a connection to begin with; otherwise there is one, in good order. */
  readonly isBare?: boolean;
  /**
   * Plays it. Ends: it has passed.
   *
   * @throws Verdict if it has not
   */
  play(dialogue: Dialogue): Promise<void>;
}

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
