import { assert } from '../assert.ts';
import type { Alarm, Clock } from '../host/clock.ts';
import { NEVER, SECOND, type Micros } from '../units.ts';
import { EventQueue, type QueuedEvent } from './event-queue.ts';

/** How far a run may go before it counts as stuck. */
export interface RunLimits {
  /** Events; default 1 000 000. Against machines that keep each other busy for nothing. */
  readonly maxEvents?: number;
  /**
   * Virtual time from now on; default one hour, or as long as `advanceTo` says. Against a condition
   * that never comes.
   */
  readonly maxMicros?: Micros;
}

/** A run that went on for longer than its limits. */
export class SimulationStuckError extends Error {
  override readonly name = 'SimulationStuckError';
  readonly code = 'ERR_SIMULATION_STUCK';
}

/**
 * A clock whose time stands still until somebody moves it, and then jumps from event to event.
 * Events of the same instant happen in the order in which they were scheduled.
 */
export class VirtualClock implements Clock {
  /** Events that have happened. */
  eventsRun = 0;
  readonly #queue = new EventQueue<() => void>();
  #now: Micros;

  constructor(start: Micros = 0) {
    this.#now = start;
  }

  now(): Micros {
    return this.#now;
  }

  /** The time of the next event; Infinity when nothing is scheduled. */
  get nextAt(): Micros {
    return this.#queue.nextAt;
  }

  createAlarm(onAlarm: () => void): Alarm {
    return new VirtualAlarm(this, onAlarm);
  }

  /**
   * Calls `action` at `at`, or as the next thing if that time has passed, never from inside this
   * call.
   */
  schedule(at: Micros, action: () => void): QueuedEvent<() => void> {
    assert(at < NEVER, 'an event has a finite time');
    return this.#queue.push(Math.max(at, this.#now), action);
  }

  /** Takes back what `schedule` returned; nothing happens if it is over already. */
  cancel(event: QueuedEvent<() => void>): void {
    this.#queue.remove(event);
  }

  /** Lets everything happen that is due up to and including `at`, and leaves the clock there. */
  advanceTo(at: Micros, limits: RunLimits = {}): void {
    assert(at >= this.#now, 'time does not go back');
    const budget = new Budget(this, { maxMicros: NEVER, ...limits });
    while (this.#queue.nextAt <= at) {
      budget.spend();
      this.#step();
    }
    this.#now = at;
  }

  /** `advanceTo` so much later than now. */
  advanceBy(micros: Micros, limits: RunLimits = {}): void {
    this.advanceTo(this.#now + micros, limits);
  }

  /**
   * Lets events happen until `isReached`, which is asked before the first and after each of them.
   *
   * @returns false when nothing is scheduled any more and the condition still does not hold
   * @throws SimulationStuckError when a limit is passed first
   */
  runUntil(isReached: () => boolean, limits: RunLimits = {}): boolean {
    const budget = new Budget(this, limits);
    while (!isReached()) {
      if (this.#queue.size === 0) return false;
      budget.spend();
      this.#step();
    }
    return true;
  }

  /**
   * `runUntil` for programs with promises: lets them settle after each event.
   *
   * @param settle  resolves when the promises that could settle have done so, for instance after a
   *                turn of the event loop
   */
  async runUntilAsync(
    isReached: () => boolean,
    settle: () => Promise<void>,
    limits: RunLimits = {},
  ): Promise<boolean> {
    const budget = new Budget(this, limits);
    await settle();
    while (!isReached()) {
      if (this.#queue.size === 0) return false;
      budget.spend();
      this.#step();
      await settle();
    }
    return true;
  }

  /**
   * Lets events happen until none is left.
   *
   * @throws SimulationStuckError when a limit is passed first
   */
  runDry(limits: RunLimits = {}): void {
    this.runUntil(() => false, limits);
  }

  #step(): void {
    const event = this.#queue.pop();
    if (event === undefined) return;
    this.#now = event.at;
    this.eventsRun += 1;
    event.value();
  }
}

class VirtualAlarm implements Alarm {
  readonly #clock: VirtualClock;
  readonly #onEvent: () => void;
  #event: QueuedEvent<() => void> | undefined;
  #isClosed = false;

  constructor(clock: VirtualClock, onAlarm: () => void) {
    this.#clock = clock;
    this.#onEvent = (): void => {
      this.#event = undefined;
      onAlarm();
    };
  }

  arm(at: Micros): void {
    if (this.#isClosed || this.#event?.at === at) return;
    this.#disarm();
    if (at < NEVER) this.#event = this.#clock.schedule(at, this.#onEvent);
  }

  close(): void {
    this.#isClosed = true;
    this.#disarm();
  }

  #disarm(): void {
    if (this.#event !== undefined) this.#clock.cancel(this.#event);
    this.#event = undefined;
  }
}

/** Counts down the limits of one run. */
class Budget {
  readonly #clock: VirtualClock;
  readonly #deadline: Micros;
  readonly #maxEvents: number;
  #events = 0;

  constructor(clock: VirtualClock, limits: RunLimits) {
    this.#clock = clock;
    this.#deadline = clock.now() + (limits.maxMicros ?? DEFAULT_MAX_MICROS);
    this.#maxEvents = limits.maxEvents ?? DEFAULT_MAX_EVENTS;
  }

  spend(): void {
    this.#events += 1;
    const now = this.#clock.now();
    if (this.#events > this.#maxEvents) {
      throw new SimulationStuckError(
        `${this.#maxEvents} events have passed and it is not over, at ${now} us`,
      );
    }
    if (this.#clock.nextAt > this.#deadline) {
      throw new SimulationStuckError(
        `virtual time is up and it is not over, at ${now} us after ${this.#events - 1} events`,
      );
    }
  }
}

const DEFAULT_MAX_EVENTS = 1_000_000;
const DEFAULT_MAX_MICROS: Micros = 3_600 * SECOND;
