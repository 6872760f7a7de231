import { NEVER, type Micros } from '../units.ts';

/** Something that stands in a queue; the handle by which it is taken out early. */
export interface QueuedEvent<T> {
  readonly at: Micros;
  readonly value: T;
}

/**
 * Events in the order of their times; those of the same time in the order in which they came. A
 * binary heap: adding, taking and removing cost O(log n).
 */
export class EventQueue<T> {
  readonly #heap: Entry<T>[] = [];
  #nextSequence = 0;

  /** Events in the queue. */
  get size(): number {
    return this.#heap.length;
  }

  /** The time of the first event; Infinity when there is none. */
  get nextAt(): Micros {
    return this.#heap[0]?.at ?? NEVER;
  }

  push(at: Micros, value: T): QueuedEvent<T> {
    const entry = { at, value, sequence: this.#nextSequence++, index: this.#heap.length };
    this.#heap.push(entry);
    this.#rise(entry);
    return entry;
  }

  /** Takes the first event; undefined when there is none. */
  pop(): QueuedEvent<T> | undefined {
    const first = this.#heap[0];
    if (first !== undefined) this.remove(first);
    return first;
  }

  /** @returns whether the event was still in this queue */
  remove(event: QueuedEvent<T>): boolean {
    const entry = event as Entry<T>;
    if (this.#heap[entry.index] !== entry) return false;
    const last = this.#heap.pop() as Entry<T>;
    if (last !== entry) {
      this.#put(last, entry.index);
      this.#rise(last);
      this.#sink(last);
    }
    entry.index = -1;
    return true;
  }

  #rise(entry: Entry<T>): void {
    while (entry.index > 0) {
      const parent = this.#heap[(entry.index - 1) >> 1] as Entry<T>;
      if (isBefore(parent, entry)) return;
      this.#swap(parent, entry);
    }
  }

  #sink(entry: Entry<T>): void {
    for (;;) {
      const left = this.#heap[2 * entry.index + 1];
      const right = this.#heap[2 * entry.index + 2];
      if (left === undefined) return;
      const child = right !== undefined && isBefore(right, left) ? right : left;
      if (isBefore(entry, child)) return;
      this.#swap(entry, child);
    }
  }

  #swap(a: Entry<T>, b: Entry<T>): void {
    const index = a.index;
    this.#put(a, b.index);
    this.#put(b, index);
  }

  #put(entry: Entry<T>, index: number): void {
    this.#heap[index] = entry;
    entry.index = index;
  }
}

interface Entry<T> extends QueuedEvent<T> {
  readonly sequence: number;
  index: number;
}

function isBefore<T>(a: Entry<T>, b: Entry<T>): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}
