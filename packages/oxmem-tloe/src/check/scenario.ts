import type { Dialogue } from './dialogue.ts';

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
