import type { Micros } from '../units.ts';
import { Timer, type Timers } from './timers.ts';
import type { PeerProfile } from './peer-profile.ts';

/**
 * Decides when an acknowledgement needs a frame of its own, and when that frame says NAK.
 * Any numbered frame that leaves carries the acknowledgement for free; OmniXtend 1.0.3 §4.
 */
export class AckPolicy {
  /** An AckOnly frame must leave with the next batch. */
  isDue = false;
  /** …and it reports a gap. */
  isNak = false;
  #waiting = 0;
  #gapAt = -1;
  #gapReportedAt: Micros = -Infinity;
  readonly #timers: Timers;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** A frame was accepted in order. */
  accepted(now: Micros, profile: PeerProfile): void {
    this.#waiting++;
    if (this.#waiting >= profile.ackEveryFrames) this.isDue = true;
    else this.#timers.start(Timer.ackDelay, now + profile.ackDelayMicros);
  }

  /** Something tells that the peer does not know what we have: say it again, at once. */
  repeat(): void {
    this.isDue = true;
  }

  /**
   * A frame ahead of `expected` arrived. One NAK for a gap, however many frames follow, and one
   * more for each `repeatMicros` that the gap stays.
   */
  gap(now: Micros, expected: number, repeatMicros: Micros): void {
    if (this.#gapAt === expected && now - this.#gapReportedAt < repeatMicros) return;
    this.#gapAt = expected;
    this.#gapReportedAt = now;
    this.isDue = true;
    this.isNak = true;
  }

  /** What was missing has come: that is worth an acknowledgement at once, and no NAK any more. */
  gapFilled(): void {
    if (this.#gapAt < 0) return;
    this.#gapAt = -1;
    this.isDue = true;
    this.isNak = false;
  }

  /** The waiting time of an acknowledgement is over. */
  delayPassed(): void {
    if (this.#waiting > 0) this.isDue = true;
  }

  /** A frame with the acknowledgement has left; only an AckOnly can have carried a NAK. */
  sent(wasAckOnly: boolean): void {
    this.#waiting = 0;
    this.#timers.clear(Timer.ackDelay);
    if (this.isNak && !wasAckOnly) return;
    this.isDue = false;
    this.isNak = false;
  }

  reset(): void {
    this.isDue = false;
    this.isNak = false;
    this.#waiting = 0;
    this.#gapAt = -1;
    this.#gapReportedAt = -Infinity;
  }
}
