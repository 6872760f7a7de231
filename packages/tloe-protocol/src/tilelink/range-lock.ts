import { assert } from '../assert.ts';
import { RangeOccupancy } from './range-occupancy.ts';
import { WORD_BYTES } from './split.ts';

/**
 * Keeps overlapping accesses apart: no two are in flight at once of which one writes. Conflicting
 * ranges are served in the order in which they came. TileLink 1.8.0 §5 gives no order between
 * unanswered operations, so an initiator must wait.
 */
export class RangeLock<Holder> {
  /** First byte and first byte behind, from the base of the memory, on word boundaries. */
  start = 0;
  end = 0;
  isWrite = false;
  /** Who asked for the range; forgotten when it ends before its last access does. */
  holder: Holder | undefined = undefined;
  /** Earlier locks that are in the way. */
  blockers = 0;
  /** The holder, while it lives, and each of its accesses that may still take effect. */
  holds = 0;
  previous: RangeLock<Holder> | undefined = undefined;
  next: RangeLock<Holder> | undefined = undefined;
}

/**
 * All ranges in use or waited for, in order of arrival. Without overlap a lock costs a counter for
 * each page of its range, however many there are; the others are looked at only when somebody may
 * be, or is, in the way. Locks are taken from a pool.
 */
export class RangeLocks<Holder> {
  #first: RangeLock<Holder> | undefined = undefined;
  #last: RangeLock<Holder> | undefined = undefined;
  #pool: RangeLock<Holder> | undefined = undefined;
  readonly #occupancy = new RangeOccupancy();
  /** Locks with somebody in the way. */
  #waiting = 0;
  readonly #onGranted: (holder: Holder) => void;
  /** Locks that exist now. */
  count = 0;

  /** @param onGranted  told when nothing is in the way of a holder any more; must not call back */
  constructor(onGranted: (holder: Holder) => void) {
    this.#onGranted = onGranted;
  }

  /**
   * Asks for bytes `start` .. `start + length - 1`, rounded out to whole words. If `blockers` of
   * the result is 0 the range is held; otherwise `onGranted` tells later.
   */
  acquire(start: number, length: number, isWrite: boolean, holder: Holder): RangeLock<Holder> {
    const lock = this.#pool ?? new RangeLock<Holder>();
    this.#pool = lock.next;
    const end = start + length;
    lock.start = start - (start % WORD_BYTES);
    lock.end = end + ((WORD_BYTES - (end % WORD_BYTES)) % WORD_BYTES);
    lock.isWrite = isWrite;
    lock.holder = holder;
    lock.holds = 1;
    lock.blockers = 0;
    if (this.#occupancy.mayConflict(lock.start, lock.end, isWrite)) this.#findBlockers(lock);
    this.#occupancy.add(lock.start, lock.end, isWrite);
    this.#append(lock);
    return lock;
  }

  /** One more access of the range is under way. */
  hold(lock: RangeLock<Holder>): void {
    lock.holds++;
  }

  /** One hold less; the last one frees the range and lets the next ones have it. */
  release(lock: RangeLock<Holder>): void {
    assert(lock.holds > 0, 'the lock is held');
    if (--lock.holds > 0) return;
    if (lock.blockers > 0) this.#waiting--;
    this.#occupancy.remove(lock.start, lock.end, lock.isWrite);
    if (this.#waiting > 0) this.#unblock(lock);
    this.#remove(lock);
  }

  #findBlockers(lock: RangeLock<Holder>): void {
    for (let other = this.#first; other !== undefined; other = other.next) {
      if (conflict(lock, other)) lock.blockers++;
    }
    if (lock.blockers > 0) this.#waiting++;
  }

  /** The lock is in nobody's way any more. */
  #unblock(lock: RangeLock<Holder>): void {
    for (let later = lock.next; later !== undefined; later = later.next) {
      if (!conflict(lock, later)) continue;
      later.blockers--;
      if (later.blockers > 0) continue;
      this.#waiting--;
      if (later.holder !== undefined) this.#onGranted(later.holder);
    }
  }

  #append(lock: RangeLock<Holder>): void {
    lock.previous = this.#last;
    lock.next = undefined;
    if (this.#last === undefined) this.#first = lock;
    else this.#last.next = lock;
    this.#last = lock;
    this.count++;
  }

  #remove(lock: RangeLock<Holder>): void {
    if (lock.previous === undefined) this.#first = lock.next;
    else lock.previous.next = lock.next;
    if (lock.next === undefined) this.#last = lock.previous;
    else lock.next.previous = lock.previous;
    lock.holder = undefined;
    lock.previous = undefined;
    lock.next = this.#pool;
    this.#pool = lock;
    this.count--;
  }
}

function conflict<Holder>(a: RangeLock<Holder>, b: RangeLock<Holder>): boolean {
  return (a.isWrite || b.isWrite) && a.start < b.end && b.start < a.end;
}
