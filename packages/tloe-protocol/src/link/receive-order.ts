import { MILLISECOND, type Micros } from '../units.ts';
import { HALF_SEQUENCE_SPACE, sequenceAfter, sequenceDistance } from './sequence-number.ts';

/** Where a received frame stands in the order of numbers. OmniXtend 1.0.3 §4. */
export type Arrival = 'expected' | 'duplicate' | 'ahead';

/** Numbers given up that are remembered. */
const MOST_SKIPPED = 64;

/** A frame that was given up is still taken if it comes within this time. */
const LATE_MICROS: Micros = 50 * MILLISECOND;

/** The receiving side's count of frames. */
export class ReceiveOrder {
  /** NEXT_RX_SEQ. */
  expected: number;
  /** Numbers given up of late, and when; a ring. */
  readonly #skipped = new Int32Array(MOST_SKIPPED).fill(-1);
  readonly #skippedAt = new Float64Array(MOST_SKIPPED);
  #nextSkipped = 0;

  constructor(firstNumber: number) {
    this.expected = firstNumber;
  }

  /** The number to acknowledge: the last one received in order. */
  get lastInOrder(): number {
    return sequenceAfter(this.expected, -1);
  }

  classify(number: number): Arrival {
    const behind = sequenceDistance(number, this.expected);
    if (behind === 0) return 'expected';
    return behind <= HALF_SEQUENCE_SPACE ? 'duplicate' : 'ahead';
  }

  accept(): void {
    this.expected = sequenceAfter(this.expected, 1);
  }

  /** Gives up the numbers before `number`; returns how many. */
  skipTo(now: Micros, number: number): number {
    const skipped = sequenceDistance(this.expected, number);
    for (let back = Math.min(skipped, MOST_SKIPPED); back > 0; back--) {
      this.#skipped[this.#nextSkipped] = sequenceAfter(number, -back);
      this.#skippedAt[this.#nextSkipped] = now;
      this.#nextSkipped = (this.#nextSkipped + 1) % MOST_SKIPPED;
    }
    this.expected = number;
    return skipped;
  }

  /** Whether a frame with a number behind was given up a moment ago: it counts as new then, once. */
  takeLate(now: Micros, number: number): boolean {
    const at = this.#skipped.indexOf(number);
    if (at < 0) return false;
    this.#skipped[at] = -1;
    return now - (this.#skippedAt[at] as number) <= LATE_MICROS;
  }

  /** Starts at `number` and forgets what was before. */
  reset(number: number): void {
    this.expected = number;
    this.#skipped.fill(-1);
  }
}
