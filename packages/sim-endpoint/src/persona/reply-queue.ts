import { costOf } from './persona-sender.ts';
import type { Reply } from './persona-service.ts';

/** An answer that waits to be sent. */
export interface WaitingReply {
  readonly reply: Reply;
  /** Frame of the request. */
  readonly number: number;
  /** What a leaky endpoint gives back for the request, log2 flits. */
  readonly leak: number;
}

/** Answers that wait, oldest first. */
export class ReplyQueue {
  #waiting: WaitingReply[] = [];

  get count(): number {
    return this.#waiting.length;
  }

  push(reply: WaitingReply): void {
    this.#waiting.push(reply);
  }

  clear(): void {
    this.#waiting = [];
  }

  /** The answers of the next frame: as many as it holds and credits allow, maybe none. */
  take(limits: { most: number; mostBytes: number; room: number }): readonly WaitingReply[] {
    let flits = 0;
    let count = 0;
    for (const { reply } of this.#waiting) {
      const cost = costOf(reply);
      const isFull = count >= limits.most || flits > LAST_START_FLIT;
      const isTooLong = count > 0 && (flits + cost + WRAPPING_FLITS) * 8 > limits.mostBytes;
      if (isFull || isTooLong || flits + cost > limits.room) break;
      flits += cost;
      count++;
    }
    return this.#waiting.splice(0, count);
  }
}

/** Header and mask. */
const WRAPPING_FLITS = 2;
const LAST_START_FLIT = 63;
