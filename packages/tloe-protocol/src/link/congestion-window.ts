/**
 * How many frames may be on their way at once. Frames are lost one by one on a bad wire, where fewer
 * on their way help nobody, and many at once where a buffer is too small for all of them.
 *
 * A peer that keeps what comes early misses only what was lost: then the window shrinks by half a
 * frame for each. The odd loss costs nothing, an overflow brings it to the size of the buffer within
 * a few rounds, and from there on it grows slowly. To any other peer everything behind a lost frame
 * is sent again, so that on a bad wire a full window is mostly waste: it halves at a loss.
 */
export class CongestionWindow {
  readonly #most: number;
  #frames: number;
  /** From here on it grows slowly: frames were lost one by one, and this many were not too many. */
  #slowFrom = Infinity;

  /** @param most  frames that the retransmit buffer holds */
  constructor(most: number) {
    this.#most = most;
    this.#frames = most;
  }

  /** Frames that may be on their way at once. */
  get frames(): number {
    return Math.floor(this.#frames);
  }

  /** Frames that may leave while `onTheirWay` are not acknowledged. */
  room(onTheirWay: number): number {
    return Math.max(0, Math.floor(this.#frames) - onTheirWay);
  }

  /** So many frames have arrived. */
  acknowledged(frames: number): void {
    const growth = this.#frames < this.#slowFrom ? GROWTH : SLOW_GROWTH;
    this.#frames = Math.min(this.#most, Math.max(this.#frames, LEAST) + frames * growth);
  }

  /** So many frames, and no others, did not arrive. */
  missed(frames: number): void {
    this.#frames = Math.max(LEAST, this.#frames - frames / 2);
    this.#slowFrom = this.#frames;
  }

  /** The peer reports a gap and has none of what follows; so many frames were on their way. */
  lost(inFlight: number): void {
    this.#frames = Math.max(LEAST, Math.min(this.#frames, inFlight) / 2);
  }

  /** Nothing was heard; if that is not the first time, one frame asks whether anybody is there. */
  timedOut(isProbing: boolean): void {
    this.#frames = isProbing ? 1 : LEAST;
  }

  reset(): void {
    this.#frames = this.#most;
    this.#slowFrom = Infinity;
  }
}

/** The smallest window between a loss and the next. */
const LEAST = 8;

/** Frames that the window grows by for each that arrives. */
const GROWTH = 0.25;

/** The same where frames were lost before. */
const SLOW_GROWTH = 1 / 16;
