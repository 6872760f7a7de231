/** The two programs of the demo, as child processes that are never left behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tail } from './run-command.mjs';

const readyMs = 30_000;
const stopMs = 5_000;

/** A program that says `ready:` on standard output when it works. */
export class DemoChild {
  /** Everything that it printed. */
  output = '';
  #name;
  #process;
  #exited;

  /**
   * @param {string} name for messages
   * @param {readonly string[]} argv
   */
  constructor(name, argv) {
    const [program = '', ...args] = argv;
    this.#name = name;
    this.#process = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#exited = once(this.#process, 'close').catch(() => undefined);
    /** @param {Buffer} chunk */
    const collect = (chunk) => {
      this.output += chunk.toString();
    };
    this.#process.stdout.on('data', collect);
    this.#process.stderr.on('data', collect);
    this.#process.on('error', (error) => {
      this.output += `${error.message}\n`;
    });
  }

  get pid() {
    return this.#process.pid;
  }

  get #isRunning() {
    const { exitCode, signalCode, pid } = this.#process;
    return pid !== undefined && exitCode === null && signalCode === null;
  }

  /**
   * @returns {Promise<string>} the line that says that it is ready
   * @throws {Error} when it ends or takes too long
   */
  async ready() {
    const deadlineMs = performance.now() + readyMs;
    while (this.#isRunning && performance.now() < deadlineMs) {
      const line = /^ready: .*$/m.exec(this.output)?.[0];
      if (line !== undefined && this.output.includes(`${line}\n`)) return line;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw this.failure('did not become ready');
  }

  /**
   * Rejects when the program ends, which nobody has asked it to.
   *
   * @returns {Promise<never>}
   */
  async endedEarly() {
    await this.#exited;
    throw this.failure('has ended by itself');
  }

  /** @param {string} what */
  failure(what) {
    const said = this.output.trim() === '' ? ' and said nothing' : `:\n${tail(this.output, 20)}`;
    return new Error(`${this.#name} ${what}${said}`);
  }

  /**
   * Asks it to stop, and makes it after five seconds.
   *
   * @returns {Promise<number | null>} its exit code; null: it was made to
   */
  async stop() {
    if (this.#isRunning) this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), stopMs);
    if (this.#process.pid !== undefined) await this.#exited;
    clearTimeout(timer);
    return this.#process.exitCode;
  }
}
