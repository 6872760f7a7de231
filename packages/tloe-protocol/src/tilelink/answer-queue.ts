import { assert } from '../assert.ts';
import { isPowerOfTwo } from '../units.ts';

/** What is left to do for a request: send this answer. Mutable record, owned by the queue. */
export class Answer {
  opcode = 0;
  param = 0;
  sizeLog2 = 0;
  domain = 0;
  source = 0;
  sink = 0;
  isDenied = false;
  isCorrupt = false;
  /** Offset in the memory of the data to send; -1: none, the data is zero. */
  memoryOffset = -1;
  /** What an atomic found in memory. */
  oldValue: bigint | undefined = undefined;
  /** Lane of the first byte of an access below one word. */
  lane = 0;
  /** Flits of the request, whose credits go back when it is answered. */
  requestChannel = 0;
  requestFlits = 0;
}

/**
 * Answers that wait for credits on channel D, oldest first. The capacity is fixed; a record is made
 * when its place is first used, and as an empty queue begins at its first place again, few are where
 * few ever wait.
 */
export class AnswerQueue {
  readonly #answers: (Answer | undefined)[];
  #head = 0;
  count = 0;

  constructor(capacity: number) {
    assert(isPowerOfTwo(capacity), 'capacity is a power of two');
    this.#answers = Array.from({ length: capacity }, () => undefined);
  }

  get room(): number {
    return this.#answers.length - this.count;
  }

  /** The record behind the last one, to be filled in; it counts from `push` on. */
  next(): Answer {
    const place = (this.#head + this.count) & (this.#answers.length - 1);
    return (this.#answers[place] ??= new Answer());
  }

  push(): void {
    assert(this.room > 0, 'the queue has room');
    this.count++;
  }

  first(): Answer {
    return this.#answers[this.#head] as Answer;
  }

  shift(): void {
    this.count--;
    this.#head = this.count === 0 ? 0 : (this.#head + 1) & (this.#answers.length - 1);
  }

  clear(): void {
    this.count = 0;
  }
}
