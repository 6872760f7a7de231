import { spawn } from 'node:child_process';
import { hasCommand } from '../scripts/debian-packages.mjs';

/** Lines of standard error that are kept for a message. */
const KEPT_LINES = 8;

/**
 * A child process that is ended by its id when it is no longer wanted, and that the kernel ends when
 * this process dies without a chance to do so.
 */
export class Child {
  /** @type {import('node:child_process').ChildProcess} */
  process;
  #name;
  #stdout = '';
  #stderr = '';
  /** @type {(() => void) | undefined} waits for output */
  #tell;
  /** Resolves when it has ended, however, and all it printed is here. @type {Promise<void>} */
  ended;

  /**
   * @param {string} name for messages
   * @param {readonly string[]} argv
   * @param {{ enter?: (argv: readonly string[]) => string[], talks?: 'lines' | 'messages' }} [options]
   *   `enter` makes the command line that runs another one elsewhere; `talks`: it is told what to do
   *   by lines of standard input, or by messages
   */
  constructor(name, argv, { enter = (inner) => [...inner], talks } = {}) {
    this.#name = name;
    const watched = hasCommand('setpriv') ? ['setpriv', '--pdeathsig', 'TERM', ...argv] : argv;
    const [program = '', ...args] = enter(watched);
    this.process = spawn(program, args, {
      stdio: [
        talks === 'lines' ? 'pipe' : 'ignore',
        'pipe',
        'pipe',
        ...(talks === 'messages' ? /** @type {const} */ (['ipc']) : []),
      ],
    });
    this.process.stdout?.on('data', (chunk) => this.#onOutput(String(chunk)));
    this.process.stderr?.on('data', (chunk) => (this.#stderr += chunk));
    this.ended = new Promise((resolve) => {
      this.process.once('error', (error) => {
        this.#stderr += error.message;
        resolve();
      });
      this.process.once('close', () => resolve());
    });
  }

  get pid() {
    if (this.process.pid === undefined) throw new Error(`${this.#name} could not be started`);
    return this.process.pid;
  }

  /** Standard output so far. */
  get output() {
    return this.#stdout;
  }

  /**
   * Lines of standard output that begin with `start`, as soon as there are `count` of them.
   *
   * @param {string} start
   * @param {{ count?: number, timeoutMs: number }} limits
   * @returns {Promise<string[]>}
   */
  async linesOf(start, { count = 1, timeoutMs }) {
    for (;;) {
      const lines = this.#wholeLines().filter((line) => line.startsWith(start));
      if (lines.length >= count) return lines;
      await this.#moreOutput(timeoutMs);
    }
  }

  /**
   * Tells it a line and waits for the line that it answers.
   *
   * @param {string} line
   * @param {number} timeoutMs
   * @returns {Promise<string>}
   */
  async ask(line, timeoutMs) {
    const before = this.#wholeLines().length;
    this.process.stdin?.write(`${line}\n`);
    for (;;) {
      const answer = this.#wholeLines()[before];
      if (answer !== undefined) return answer;
      await this.#moreOutput(timeoutMs);
    }
  }

  /** Resolves when it has ended and all it printed is here; throws unless it ended well. */
  async succeeded() {
    await this.ended;
    if (this.process.exitCode !== 0) throw new Error(this.describeEnd());
  }

  /**
   * @param {string} start of the line that says it is ready
   * @param {number} timeoutMs
   */
  async ready(start, timeoutMs) {
    await this.linesOf(start, { timeoutMs });
  }

  /** Asks it to end and, after five seconds, makes it. Harmless when it has ended. */
  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill('SIGTERM');
      const timer = setTimeout(() => this.process.kill('SIGKILL'), 5_000);
      await this.ended;
      clearTimeout(timer);
    }
  }

  #wholeLines() {
    return this.#stdout.split('\n').slice(0, -1);
  }

  /** @param {string} text */
  #onOutput(text) {
    this.#stdout += text;
    this.#tell?.();
  }

  /**
   * @param {number} timeoutMs
   * @returns {Promise<void>}
   */
  #moreOutput(timeoutMs) {
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`${this.#name} says nothing for ${timeoutMs / 1000} s`));
      const timer = setTimeout(late, timeoutMs);
      this.#tell = () => {
        clearTimeout(timer);
        this.#tell = undefined;
        resolve();
      };
      void this.ended.then(() => {
        clearTimeout(timer);
        reject(new Error(this.describeEnd()));
      });
    });
  }

  describeEnd() {
    const { exitCode, signalCode } = this.process;
    const how = signalCode === null ? `exit code ${exitCode}` : `signal ${signalCode}`;
    const said = this.#stderr.trimEnd().split('\n').slice(-KEPT_LINES).join('\n  ');
    return `${this.#name} ended with ${how}\n  ${said}`;
  }
}
