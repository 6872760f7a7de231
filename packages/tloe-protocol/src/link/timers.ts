import { NEVER, type Micros } from '../units.ts';

/** The named deadlines of a link. */
export const Timer = {
  /** Resend what is not acknowledged. */
  retransmit: 0,
  /** Send the acknowledgement that waits for company. */
  ackDelay: 1,
  /** Return credits that wait for company. */
  creditDelay: 2,
  /** Give up waiting for the peer's word about Close. */
  close: 3,
  /** The peer has granted what it will: the connection counts as open. */
  settle: 4,
  /** No progress for so long that the peer counts as lost. */
  lost: 5,
  /** Nothing was heard of what was sent last: send one frame again, long before `retransmit`. */
  probe: 6,
} as const;
export type Timer = (typeof Timer)[keyof typeof Timer];

/** A table of deadlines; a link has one alarm and asks for the earliest. */
export class Timers {
  readonly #deadlines = new Float64Array(Object.keys(Timer).length).fill(NEVER);

  set(timer: Timer, at: Micros): void {
    this.#deadlines[timer] = at;
  }

  /** Sets the deadline unless one is set already. */
  start(timer: Timer, at: Micros): void {
    if (this.#deadlines[timer] === NEVER) this.#deadlines[timer] = at;
  }

  clear(timer: Timer): void {
    this.#deadlines[timer] = NEVER;
  }

  clearAll(): void {
    this.#deadlines.fill(NEVER);
  }

  isSet(timer: Timer): boolean {
    return this.#deadlines[timer] !== NEVER;
  }

  /** Whether the deadline has passed; it is cleared then. */
  expire(timer: Timer, now: Micros): boolean {
    if ((this.#deadlines[timer] as number) > now) return false;
    this.#deadlines[timer] = NEVER;
    return true;
  }

  /** The earliest deadline, `NEVER` if none is set. */
  earliest(): Micros {
    let earliest = NEVER;
    for (let i = 0; i < this.#deadlines.length; i++) {
      const at = this.#deadlines[i] as number;
      if (at < earliest) earliest = at;
    }
    return earliest;
  }
}
