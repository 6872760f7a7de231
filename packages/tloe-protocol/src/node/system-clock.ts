import type { Alarm, Clock } from '../host/clock.ts';
import { NEVER, type Micros } from '../units.ts';

/** What a system clock is made of; replaced only by its own tests. */
export interface NodeTimers {
  /** Milliseconds since an arbitrary origin, with a fraction; never goes back. */
  nowMillis(): number;
  setTimeout(callback: () => void, millis: number): TimerHandle;
  clearTimeout(timer: TimerHandle): void;
  setImmediate(callback: () => void): TimerHandle;
  clearImmediate(timer: TimerHandle): void;
}

/** What Node returns for a timer. */
export interface TimerHandle {
  unref(): unknown;
}

/** How a system clock is to behave. */
export interface SystemClockOptions {
  /** Whether an armed alarm alone lets the program end. Default false. */
  readonly unref?: boolean;
  readonly timers?: NodeTimers;
}

/**
 * The clock of the machine, and the only place of this package that reads one.
 *
 * Alarms never come early. They come up to a millisecond or so late, the grain of Node's timers,
 * and then as late as the event loop is busy. Arming is cheap: a timer that is set for no later
 * than the new deadline stays, and looks again when it fires, so that a deadline which moves with
 * every batch costs a timer once in a while and not once a batch.
 */
export class SystemClock implements Clock {
  /**
   * Microseconds from the start of 1970, UTC, to this clock's zero, as the machine's clock had them
   * when the program began; for time stamps only.
   */
  readonly originUnixMicros: Micros = Math.round(performance.timeOrigin * 1_000);
  readonly #timers: NodeTimers;
  readonly #unref: boolean;

  constructor(options: SystemClockOptions = {}) {
    this.#timers = options.timers ?? NODE_TIMERS;
    this.#unref = options.unref ?? false;
  }

  now(): Micros {
    return Math.floor(this.#timers.nowMillis() * 1_000);
  }

  /** Microseconds since the start of 1970 as the machine's clock has them now; it may be set. */
  unixMicros(): Micros {
    return Date.now() * 1_000;
  }

  createAlarm(onAlarm: () => void): Alarm {
    return new SystemAlarm(this, this.#timers, this.#unref, onAlarm);
  }
}

class SystemAlarm implements Alarm {
  readonly #clock: Clock;
  readonly #timers: NodeTimers;
  readonly #unref: boolean;
  readonly #onAlarm: () => void;
  readonly #onTimer = (): void => this.#fired();
  #deadline: Micros = NEVER;
  #timer: TimerHandle | undefined;
  #isImmediate = false;
  /** The millisecond of the clock in which the timer is due; Infinity without a timer. */
  #timerTick = NEVER;
  #isClosed = false;

  constructor(clock: Clock, timers: NodeTimers, unref: boolean, onAlarm: () => void) {
    this.#clock = clock;
    this.#timers = timers;
    this.#unref = unref;
    this.#onAlarm = onAlarm;
  }

  arm(at: Micros): void {
    if (this.#isClosed) return;
    this.#deadline = at;
    if (Math.ceil(at / GRAIN_MICROS) >= this.#timerTick) return;
    this.#stopTimer();
    this.#startTimer();
  }

  close(): void {
    this.#isClosed = true;
    this.#deadline = NEVER;
    this.#stopTimer();
  }

  #fired(): void {
    this.#timer = undefined;
    this.#timerTick = NEVER;
    if (this.#deadline === NEVER) return;
    if (this.#clock.now() < this.#deadline) {
      // The deadline has moved on, or Node measured from the start of a long turn of its loop.
      this.#startTimer();
      return;
    }
    this.#deadline = NEVER;
    this.#onAlarm();
  }

  #startTimer(): void {
    const wait = Math.ceil((this.#deadline - this.#clock.now()) / GRAIN_MICROS);
    this.#isImmediate = wait <= 0;
    if (this.#isImmediate) {
      this.#timerTick = -Infinity;
      this.#timer = this.#timers.setImmediate(this.#onTimer);
    } else {
      const millis = Math.min(wait, LONGEST_TIMEOUT_MILLIS);
      this.#timerTick = Math.ceil(this.#deadline / GRAIN_MICROS) - (wait - millis);
      this.#timer = this.#timers.setTimeout(this.#onTimer, millis);
    }
    if (this.#unref) this.#timer.unref();
  }

  #stopTimer(): void {
    if (this.#timer === undefined) return;
    if (this.#isImmediate) this.#timers.clearImmediate(this.#timer);
    else this.#timers.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerTick = NEVER;
  }
}

const NODE_TIMERS: NodeTimers = {
  nowMillis: () => performance.now(),
  setTimeout: (callback, millis) => setTimeout(callback, millis),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
  setImmediate: (callback) => setImmediate(callback),
  clearImmediate: (timer) => clearImmediate(timer as NodeJS.Immediate),
};

/** The grain of Node's timers. */
const GRAIN_MICROS = 1_000;
/** A longer time-out overflows and fires at once. */
const LONGEST_TIMEOUT_MILLIS = 2 ** 31 - 1;
