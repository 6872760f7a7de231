import type { LinkConfig } from './link-config.ts';
import type { OpeningFrames } from './opening-frames.ts';
import type { PeerProfile } from './peer-profile.ts';
import {
  RESPONDER_SIGNS,
  grantsAll,
  recogniseResponder,
  type ResponderSign,
} from './peer-recognition.ts';
import { sequenceDistance } from './sequence-number.ts';

/** After so many rounds what is missing is given up, and an unclear peer gets the safest profile. */
const PATIENT_ROUNDS = 3;

/**
 * Decides for an initiator when a connection is open: when the responder has granted what it will,
 * and nobody else answers as it did. A frame that got lost makes peers look alike; a wrong guess
 * would hurt the peer or the data, so rather ask once more.
 */
export class OpeningJudge {
  readonly #config: LinkConfig;
  readonly #heard: OpeningFrames;
  #rounds = 0;
  #guess: ResponderSign | undefined = undefined;

  constructor(config: LinkConfig, heard: OpeningFrames) {
    this.#config = config;
    this.#heard = heard;
  }

  /** Whether nothing is missing. `expected`: the peer's next number; `credits`: on channel A. */
  isComplete(expected: number, credits: number): boolean {
    const taken = sequenceDistance(this.#config.firstSequenceNumber, expected);
    if (credits <= 0 || taken <= this.#heard.lastPlace) return false;
    if (grantsAll(this.#heard)) return true;
    const sign = this.#sign();
    if (sign === undefined) return false;
    // A known peer needs no proof, only its credits; whoever goes on like this needs two frames.
    const enough = sign.goesOn ? 1 : sign.grants.length;
    return taken >= enough;
  }

  /** Nothing has changed for a while. */
  settle(credits: number): 'open' | 'openAnew' | 'ask' | 'wait' {
    // Whoever granted nothing took our opening for a copy of an older one, and whoever answers
    // before anything was asked goes on with a connection of our predecessor.
    const isOlder = this.#heard.isEmpty || this.#heard.hasMessages;
    if (credits <= 0 && isOlder) return 'openAnew';
    this.#rounds++;
    const { isPeerKnown } = this.#config;
    const recognition = recogniseResponder(this.#heard);
    if (!isPeerKnown && recognition.kind === 'unclear') {
      // Without any AckOnly it may be one that executes duplicates: never guess that away.
      if (this.#rounds < PATIENT_ROUNDS || !this.#heard.hasAckOnly) return 'ask';
      this.#guess = recognition.safest;
    }
    const isUnknown = !isPeerKnown && recognition.kind === 'unknown';
    if (isUnknown && credits > 0) return 'open';
    // What one has lost that never resends will not come.
    if (this.profile().gapMicros === 0) return 'open';
    // What one has lost that always resends will come, however long that takes.
    const willCome = credits <= 0 && this.profile().gapMicros === Infinity;
    if (this.#rounds < PATIENT_ROUNDS || willCome) return 'wait';
    return credits > 0 || this.#sign() !== undefined ? 'open' : 'wait';
  }

  /** Whom we have to do with. */
  profile(): PeerProfile {
    if (this.#config.isPeerKnown) return this.#config.profile;
    return recogniseResponder(this.#heard).profile;
  }

  #sign(): ResponderSign | undefined {
    if (this.#config.isPeerKnown) {
      return RESPONDER_SIGNS.find(({ profile }) => profile === this.#config.profile.name);
    }
    const recognition = recogniseResponder(this.#heard);
    return recognition.kind === 'known' ? recognition.sign : this.#guess;
  }
}
