import { NEVER, type Alarm, type Clock, type Micros } from '@oxmem/tloe-protocol';

/** Waits for conditions, or for time to pass. One wait at a time. */
export class Waiter {
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  #condition: () => boolean = () => false;
  #settle: ((isMet: boolean) => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#alarm = clock.createAlarm(() => this.#finish(this.#condition()));
  }

  /** @returns whether the condition was met in time */
  async wait(condition: () => boolean, micros: Micros): Promise<boolean> {
    if (condition()) return true;
    return new Promise((resolve) => {
      this.#condition = condition;
      this.#settle = resolve;
      this.#alarm.arm(this.#clock.now() + micros);
    });
  }

  /** Something has happened: the condition may be met. */
  look(): void {
    if (this.#settle !== undefined && this.#condition()) this.#finish(true);
  }

  /** Ends a wait that may be under way. */
  close(): void {
    this.#finish(this.#condition());
    this.#alarm.close();
  }

  #finish(isMet: boolean): void {
    const settle = this.#settle;
    this.#settle = undefined;
    this.#alarm.arm(NEVER);
    settle?.(isMet);
  }
}
