/** Programs on a terminal of their own, made by `script` of util-linux. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fullPath } from '../scripts/debian-packages.mjs';

/** What is left of a program that has ended. */
export interface TerminalEnd {
  readonly code: number;
  /** Everything that it has written to the terminal. */
  readonly output: string;
  /** The terminal has its settings again. */
  readonly isRestored: boolean;
}

/** How large a terminal is, and what its program sees besides. */
export interface TerminalOptions {
  /** 0 by 0 unless told, as on serial lines: nobody knows. */
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** A program that runs on a terminal of its own. */
export class PseudoTerminal {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #said = '';
  #onChange: () => void = () => {};

  constructor(argv: readonly string[], { columns = 0, rows = 0, env = {} }: TerminalOptions = {}) {
    const words = argv.map((word) => `'${word}'`).join(' ');
    const steps = [
      `stty cols ${columns} rows ${rows}`,
      'echo "before=$(stty -g)"',
      `sh -c 'echo "pid=$$"; exec "$@"' sh ${words}`,
      'printf "\\ncode=$?\\n"',
      'echo "after=$(stty -g)"',
    ];
    this.#child = spawn('script', ['-qfec', steps.join('; '), '/dev/null'], {
      env: { ...process.env, PATH: fullPath(), LC_ALL: 'C.UTF-8', NO_COLOR: '', ...env },
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
      this.#onChange();
    });
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once('close', () => resolve()).once('error', reject);
    });
  }

  /** Everything that the program has written so far. */
  get output(): string {
    return /pid=\d+\r\n([^]*?)(?:\r\ncode=\d+\r\n[^]*)?$/.exec(this.#said)?.[1] ?? '';
  }

  /** Types keys. */
  type(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  /** Sends the program a signal. */
  kill(signal: NodeJS.Signals): void {
    process.kill(Number(/^pid=(\d+)/m.exec(this.#said)?.[1]), signal);
  }

  /**
   * Waits until the program has written this.
   *
   * @throws Error when it ends before, or after 20 s, when it is killed
   */
  async waitFor(pattern: RegExp): Promise<void> {
    const deadline = performance.now() + PATIENCE_MILLIS;
    while (!pattern.test(this.output)) {
      const isOver = /^code=/m.test(this.#said);
      if (isOver || performance.now() > deadline) {
        if (!isOver) this.kill('SIGKILL');
        throw new Error(`no ${pattern}: ${this.#said}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#onChange = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /**
   * Waits for the end of the program.
   *
   * @throws Error after 20 s, when it is killed
   */
  async end(): Promise<TerminalEnd> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.kill('SIGKILL');
    }, PATIENCE_MILLIS);
    await this.#ended;
    clearTimeout(timer);
    if (isLate) throw new Error(`it does not end: ${this.#said}`);
    const settings = (when: string): string | undefined =>
      new RegExp(`^${when}=(\\S+)`, 'm').exec(this.#said)?.[1];
    return {
      code: Number(settings('code')),
      output: this.output,
      isRestored: settings('before') === settings('after'),
    };
  }
}

const PATIENCE_MILLIS = 20_000;
