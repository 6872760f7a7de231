import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';

import type { Clock } from '../host/clock.ts';
import { MILLISECOND, type Micros } from '../units.ts';

/** How a stats file is kept. */
export interface StatsFileOptions<Reading> {
  readonly path: string;
  readonly intervalMicros: Micros;
  readonly clock: Clock;
  /** How things are now. */
  readonly read: () => Reading;
  /**
   * What to write of it: an object for JSON.
   *
   * @param before  of what the file was written last; undefined: it was not yet
   */
  readonly report: (now: Reading, before: Reading | undefined) => object;
  /** Told when the file cannot be written, once until it can be again. */
  readonly onFailure: (error: Error) => void;
}

/**
 * A JSON file that says every few seconds how things are. It is replaced as a whole: a reader sees
 * the old one or the new one, never half of one. It stays when the program ends, with the last word.
 *
 * After the first time it is written behind the program's back: a disk may take seconds, and the
 * file may even lie on the device that the program serves.
 */
export class StatsFile<Reading> {
  readonly #options: StatsFileOptions<Reading>;
  #written: Reading | undefined = undefined;
  readonly #alarm: ReturnType<Clock['createAlarm']>;
  #dueAt: Micros;
  /** Undefined: nothing is being written. */
  #writing: Promise<void> | undefined = undefined;
  #hasFailed = false;

  /** @throws Error of the system when the file cannot be written */
  constructor(options: StatsFileOptions<Reading>) {
    this.#options = options;
    this.#writeFirst();
    this.#dueAt = options.clock.now();
    this.#alarm = options.clock.createAlarm(() => this.#onAlarm());
    this.#arm();
  }

  /** Writes it for the last time. A file system that takes long is not waited for. */
  async close(): Promise<void> {
    const { clock } = this.#options;
    this.#alarm.close();
    await new Promise<void>((resolve) => {
      const alarm = clock.createAlarm(resolve);
      alarm.arm(clock.now() + LAST_WORD_MICROS);
      void this.#writeLast().then(() => {
        alarm.close();
        resolve();
      });
    });
  }

  #onAlarm(): void {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
    this.#arm();
  }

  /** No drift, and no catching up on what was missed. */
  #arm(): void {
    const { clock, intervalMicros } = this.#options;
    const behind = clock.now() - this.#dueAt;
    this.#dueAt += intervalMicros * (1 + Math.max(0, Math.floor(behind / intervalMicros)));
    this.#alarm.arm(this.#dueAt);
  }

  #writeFirst(): void {
    const now = this.#options.read();
    try {
      rmSync(this.#draft, { force: true });
      writeFileSync(this.#draft, this.#text(now), { flag: 'wx' });
      renameSync(this.#draft, this.#options.path);
      this.#written = now;
    } catch (thrown) {
      rmSync(this.#draft, { force: true });
      throw thrown;
    }
  }

  async #writeLast(): Promise<void> {
    await this.#writing;
    await this.#write();
  }

  async #write(): Promise<void> {
    const now = this.#options.read();
    const text = this.#text(now);
    try {
      await rm(this.#draft, { force: true });
      await writeFile(this.#draft, text, { flag: 'wx' });
      await rename(this.#draft, this.#options.path);
      this.#written = now;
      this.#hasFailed = false;
    } catch (thrown) {
      await rm(this.#draft, { force: true }).catch(() => {});
      if (!this.#hasFailed) this.#options.onFailure(thrown as Error);
      this.#hasFailed = true;
    }
  }

  #text(now: Reading): string {
    return `${JSON.stringify(this.#options.report(now, this.#written))}\n`;
  }

  /**
   * Others may guess this name, in a folder where everybody may write: what has it is removed, and a
   * link that somebody puts there all the same is not followed.
   */
  get #draft(): string {
    return `${this.#options.path}.${process.pid}.tmp`;
  }
}

/** A program that ends waits so long for its last word to be written. */
const LAST_WORD_MICROS: Micros = 500 * MILLISECOND;
