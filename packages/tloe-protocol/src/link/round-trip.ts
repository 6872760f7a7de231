import { MILLISECOND, type Micros } from '../units.ts';

/** Bounds of the time after which an unacknowledged frame is sent again. */
export interface RetransmitLimits {
  readonly initialMicros: Micros;
  readonly minimumMicros: Micros;
  readonly maximumMicros: Micros;
}

/** The limits of a link that is not told others. */
export const DEFAULT_RETRANSMIT_LIMITS: RetransmitLimits = {
  initialMicros: 100 * MILLISECOND,
  // Shorter than a peer's pause for breath (garbage, a busy disk) means resending for nothing.
  minimumMicros: 30 * MILLISECOND,
  maximumMicros: 1_000 * MILLISECOND,
};

/**
 * Round-trip estimate and retransmission time-out: smoothed time plus four deviations, doubled at
 * each time-out without progress (the method of RFC 6298). The specification suggests twice the
 * round trip; OmniXtend 1.0.3 §4.
 */
export class RoundTrip {
  readonly #limits: RetransmitLimits;
  /** Smoothed round trip; 0 until the first sample. */
  smoothedMicros: Micros = 0;
  #deviationMicros: Micros = 0;
  #backoff = 1;
  /** How much longer than the estimate to wait, because of time-outs that may have come too soon. */
  #patience = 1;

  constructor(limits: RetransmitLimits) {
    this.#limits = limits;
  }

  /** A frame that was sent once was acknowledged after `micros`. */
  sample(micros: Micros): void {
    this.#patience = 1;
    if (this.smoothedMicros === 0) {
      this.smoothedMicros = Math.max(micros, 1);
      this.#deviationMicros = micros / 2;
      return;
    }
    const error = micros - this.smoothedMicros;
    this.smoothedMicros += error / 8;
    this.#deviationMicros += (Math.abs(error) - this.#deviationMicros) / 4;
  }

  /**
   * The peer acknowledged something new. If that took time-outs, they may have come too soon: the
   * next one comes later, until a sample or progress without time-outs tells.
   *
   * @param isExplained  the time-outs came because of losses
   */
  progress(isExplained: boolean): void {
    const patience = this.#backoff > 1 ? this.#patience * this.#backoff : this.#patience / 2;
    this.#patience = isExplained ? 1 : Math.max(1, Math.min(patience, MOST_PATIENCE));
    this.#backoff = 1;
  }

  /** A time-out passed without progress. */
  backOff(): void {
    this.#backoff = Math.min(this.#backoff * 2, 1 << 16);
  }

  /** Time-outs in a row, as a power of two: 1 means none. */
  get backoff(): number {
    return this.#backoff;
  }

  /** How long to wait for an acknowledgement now, in whole microseconds. */
  timeoutMicros(): Micros {
    const { initialMicros, minimumMicros, maximumMicros } = this.#limits;
    const base =
      this.smoothedMicros === 0 ? initialMicros : this.smoothedMicros + 4 * this.#deviationMicros;
    const bounded = Math.max(base, minimumMicros) * this.#backoff * this.#patience;
    return Math.ceil(Math.min(bounded, maximumMicros));
  }

  /**
   * How long a frame that asks for an answer waits before it is sent once more, alone.
   *
   * @param isAnsweredAtOnce  the peer waits for nothing before it answers: it has a gap there
   */
  probeMicros(isAnsweredAtOnce: boolean): Micros {
    const usual = this.smoothedMicros + 4 * this.#deviationMicros;
    const patience = isAnsweredAtOnce ? 0 : PEER_ACK_DELAY_MICROS;
    return Math.ceil(Math.max(usual + patience, SHORTEST_PROBE_MICROS));
  }

  reset(): void {
    this.smoothedMicros = 0;
    this.#deviationMicros = 0;
    this.#backoff = 1;
    this.#patience = 1;
  }
}

/** However often time-outs came too soon: so many times the estimate, and no more. */
const MOST_PATIENCE = 16;

/** The grain of the timers that this runs on: there is no use in less. */
const SHORTEST_PROBE_MICROS: Micros = MILLISECOND;

/** An acknowledgement may wait for so long for company at the peer. */
const PEER_ACK_DELAY_MICROS: Micros = 2 * MILLISECOND;
