import {
  CHANNEL_TABLE_SIZE,
  HALF_SEQUENCE_SPACE,
  sequenceAfter,
  sequenceDistance,
} from '@oxmem/tloe-protocol';
import type { Mark } from './decoded-frame.ts';

/** Where a number stands among those seen before. */
export interface NumberPlace {
  readonly mark: Extract<Mark, 'resent' | 'duplicate' | 'gap' | 'late'> | undefined;
  /** Numbers missing in front of this one. */
  readonly missing: number;
}

/** Missing numbers `first .. first + count - 1`. */
interface Hole {
  first: number;
  count: number;
}

/** Holes that are kept; the oldest are given up when there are more. */
const MAX_HOLES = 64;

/** What has been seen of one direction of a connection: its numbers, and what was said about them. */
export class Direction {
  /** The number after the highest seen; undefined: none was seen. */
  next: number | undefined = undefined;
  /** Highest acknowledgement that the other end has given of these frames. */
  acked: number | undefined = undefined;
  /** Acknowledgement by the other end of a number that has not been seen; undefined: none. */
  foreseen: number | undefined = undefined;
  /** Last acknowledgement that this end has given. */
  lastAckSaid: number | undefined = undefined;
  /** Flits that this end may still send, by channel. */
  readonly credits: Float64Array = new Float64Array(CHANNEL_TABLE_SIZE);
  /** Whether frames may be missing for good: sums over all frames cannot be right then. */
  hasHoles = false;
  messages = 0;
  #holes: Hole[] = [];

  /** Starts anew, as after an Open. */
  restart(): void {
    this.next = undefined;
    this.acked = undefined;
    this.foreseen = undefined;
    this.lastAckSaid = undefined;
    this.credits.fill(0);
    this.hasHoles = false;
    this.messages = 0;
    this.#holes = [];
  }

  /** Enters the number of a frame. */
  place(number: number): NumberPlace {
    const { next } = this;
    if (next === undefined) {
      this.next = sequenceAfter(number, 1);
      return { mark: undefined, missing: 0 };
    }
    const behind = sequenceDistance(number, next);
    if (behind > 0 && behind <= HALF_SEQUENCE_SPACE) {
      if (this.#fillHole(number)) return { mark: 'late', missing: 0 };
      return { mark: this.#isAcked(number) ? 'duplicate' : 'resent', missing: 0 };
    }
    const missing = sequenceDistance(next, number);
    this.next = sequenceAfter(number, 1);
    if (missing === 0) return { mark: undefined, missing };
    this.hasHoles = true;
    this.#holes.push({ first: next, count: missing });
    if (this.#holes.length > MAX_HOLES) this.#holes.shift();
    return { mark: 'gap', missing };
  }

  #isAcked(number: number): boolean {
    if (this.acked === undefined) return false;
    return sequenceDistance(number, this.acked) < HALF_SEQUENCE_SPACE;
  }

  #fillHole(number: number): boolean {
    const index = this.#holes.findIndex(
      ({ first, count }) => sequenceDistance(first, number) < count,
    );
    const hole = this.#holes[index];
    if (hole === undefined) return false;
    const before = sequenceDistance(hole.first, number);
    const after = { first: sequenceAfter(number, 1), count: hole.count - before - 1 };
    const pieces = [{ first: hole.first, count: before }, after].filter(({ count }) => count > 0);
    this.#holes.splice(index, 1, ...pieces);
    if (this.#holes.length > MAX_HOLES) this.#holes.shift();
    else if (this.#holes.length === 0) this.hasHoles = false;
    return true;
  }
}
