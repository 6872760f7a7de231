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
  /** Resolves when it has ended, however, and all it printed is here. @type {Promise<void>} */
  ended;

  /**
   * @param {string} name for messages
   * @param {readonly string[]} argv
   * @param {{ enter?: (argv: readonly string[]) => string[], hasChannel?: boolean }} [options]
   *   `enter` makes the command line that runs another one elsewhere; `hasChannel`: with messages
   */
  constructor(name, argv, { enter = (inner) => [...inner], hasChannel = false } = {}) {
    this.#name = name;
    const watched = hasCommand('setpriv') ? ['setpriv', '--pdeathsig', 'TERM', ...argv] : argv;
    const [program = '', ...args] = enter(watched);
    this.process = spawn(program, args, {
      stdio: hasChannel ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
    });
    this.process.stdout?.on('data', (chunk) => (this.#stdout += chunk));
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

  /** Resolves when it has ended and all it printed is here; throws unless it ended well. */
  async succeeded() {
    await this.ended;
    if (this.process.exitCode !== 0) throw new Error(this.describeEnd());
  }

  /**
   * @param {string} start of the line that says it is ready
   * @param {number} timeoutMs
   * @returns {Promise<void>}
   */
  ready(start, timeoutMs) {
    return new Promise((resolve, reject) => {
      const late = () =>
        reject(new Error(`${this.#name} is not ready after ${timeoutMs / 1000} s`));
      const timer = setTimeout(late, timeoutMs);
      const look = () => {
        if (!this.#stdout.split('\n').some((line) => line.startsWith(start))) return;
        clearTimeout(timer);
        this.process.stdout?.off('data', look);
        resolve();
      };
      this.process.stdout?.on('data', look);
      void this.ended.then(() => {
        clearTimeout(timer);
        reject(new Error(this.describeEnd()));
      });
    });
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

  describeEnd() {
    const { exitCode, signalCode } = this.process;
    const how = signalCode === null ? `exit code ${exitCode}` : `signal ${signalCode}`;
    const said = this.#stderr.trimEnd().split('\n').slice(-KEPT_LINES).join('\n  ');
    return `${this.#name} ended with ${how}\n  ${said}`;
  }
}
