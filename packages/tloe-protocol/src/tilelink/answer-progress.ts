import type { Micros } from '../units.ts';

/** When answers came, and what that says of the accesses that still wait for theirs. */
export class AnswerProgress {
  /** When the last answer came. */
  #at: Micros = 0;
  /** When the latest of the accesses that were answered was sent. */
  #sentAt: Micros = 0;

  /** An access that was sent at `sentAt` was answered. */
  answered(now: Micros, sentAt: Micros): void {
    this.#at = now;
    this.#sentAt = Math.max(this.#sentAt, sentAt);
  }

  /** The endpoint is back: its time counts from now on. */
  restart(now: Micros): void {
    this.#at = now;
  }

  /** Nothing has come for so long. */
  hasStood(now: Micros, micros: Micros): boolean {
    return now - this.#at >= micros;
  }

  /** Unanswered for so long, and not because the endpoint is busy with what was sent before. */
  isOverdue(now: Micros, sentAt: Micros, micros: Micros): boolean {
    if (now - sentAt < micros) return false;
    return sentAt < this.#sentAt || this.hasStood(now, micros);
  }
}
