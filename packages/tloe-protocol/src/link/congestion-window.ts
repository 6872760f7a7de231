/**
 * How many frames may be on their way at once. Go-back-N resends everything behind a lost frame, so
 * on a wire that loses frames a full window is mostly waste: it halves at a loss and grows again
 * with what arrives.
 */
export class CongestionWindow {
  readonly #most: number;
  #frames: number;

  /** @param most  frames that the retransmit buffer holds */
  constructor(most: number) {
    this.#most = most;
    this.#frames = most;
  }

  /** Frames that may leave while `onTheirWay` are not acknowledged. */
  room(onTheirWay: number): number {
    return Math.max(0, Math.floor(this.#frames) - onTheirWay);
  }

  /** So many frames have arrived. */
  acknowledged(frames: number): void {
    this.#frames = Math.min(this.#most, Math.max(this.#frames, LEAST) + frames * GROWTH);
  }

  /** The peer reports a gap; so many frames were on their way. */
  lost(inFlight: number): void {
    this.#frames = Math.max(LEAST, Math.min(this.#frames, inFlight) / 2);
  }

  /** Nothing was heard; if that is not the first time, one frame asks whether anybody is there. */
  timedOut(isProbing: boolean): void {
    this.#frames = isProbing ? 1 : LEAST;
  }

  reset(): void {
    this.#frames = this.#most;
  }
}

/** The smallest window between a loss and the next. */
const LEAST = 8;

/** Frames that the window grows by for each that arrives. */
const GROWTH = 0.25;
