import { renameSync, rmSync, writeFileSync } from 'node:fs';

import type { Clock } from '../host/clock.ts';
import type { Micros } from '../units.ts';

/** How a stats file is kept. */
export interface StatsFileOptions {
  readonly path: string;
  readonly intervalMicros: Micros;
  readonly clock: Clock;
  /** What to write now, and then once an interval: an object for JSON. */
  readonly read: () => object;
  /** Told when the file cannot be written, once until it can be again. */
  readonly onFailure: (error: Error) => void;
}

/**
 * A JSON file that says every few seconds how things are. It is replaced as a whole: a reader sees
 * the old one or the new one, never half of one. It stays when the program ends, with the last word.
 */
export class StatsFile {
  readonly #options: StatsFileOptions;
  readonly #alarm: ReturnType<Clock['createAlarm']>;
  #dueAt: Micros;
  #hasFailed = false;

  /** @throws Error of the system when the file cannot be written */
  constructor(options: StatsFileOptions) {
    this.#options = options;
    this.#write();
    this.#dueAt = options.clock.now();
    this.#alarm = options.clock.createAlarm(() => this.#onAlarm());
    this.#arm();
  }

  /** Writes it for the last time. */
  close(): void {
    this.#alarm.close();
    this.#tryToWrite();
  }

  #onAlarm(): void {
    this.#tryToWrite();
    this.#arm();
  }

  /** No drift, and no catching up on what was missed. */
  #arm(): void {
    const { clock, intervalMicros } = this.#options;
    const behind = clock.now() - this.#dueAt;
    this.#dueAt += intervalMicros * (1 + Math.max(0, Math.floor(behind / intervalMicros)));
    this.#alarm.arm(this.#dueAt);
  }

  #tryToWrite(): void {
    try {
      this.#write();
      this.#hasFailed = false;
    } catch (thrown) {
      if (!this.#hasFailed) this.#options.onFailure(thrown as Error);
      this.#hasFailed = true;
    }
  }

  #write(): void {
    const { path, read } = this.#options;
    const draft = `${path}.${process.pid}.tmp`;
    try {
      writeFileSync(draft, `${JSON.stringify(read())}\n`);
      renameSync(draft, path);
    } catch (thrown) {
      rmSync(draft, { force: true });
      throw thrown;
    }
  }
}
