/**
 * Programs for end-to-end tests: the ones that keep running (driver, endpoint, nbdfuse) and the
 * ones that do a job and end (nbdinfo, fio). What they print is kept; none outlives its limit.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fullPath } from '../scripts/debian-packages.mjs';

/** How a program ended: one of the two is set. */
export interface ProgramEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What a program that has ended leaves to look at. */
export interface ProgramResult extends ProgramEnd {
  readonly stdout: string;
  readonly stderr: string;
  readonly elapsedMs: number;
}

/** Where and how a program runs. */
export interface ProgramOptions {
  /** After so long it is killed and its end reported as an error. Default 60 s. */
  readonly timeoutMs?: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A program that was started and may still run. */
export class LabProgram {
  readonly argv: readonly string[];
  readonly startedMs: number = performance.now();
  /** Everything printed so far. */
  stdout = '';
  stderr = '';
  /** Undefined: it runs. */
  end: ProgramEnd | undefined = undefined;
  readonly #child: ChildProcess;
  readonly #ended: Promise<ProgramEnd>;
  #onChange: () => void = () => {};

  constructor(argv: readonly string[], options: ProgramOptions = {}) {
    this.argv = argv;
    const [program = '', ...args] = argv;
    const env = { ...process.env, PATH: fullPath(), LC_ALL: 'C', ...options.env };
    this.#child = spawn(program, args, {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.cwd !== undefined && { cwd: options.cwd }),
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#onChange();
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#onChange();
    });
    this.#ended = new Promise((resolve) => {
      const settle = (end: ProgramEnd): void => {
        this.end = end;
        this.#onChange();
        resolve(end);
      };
      this.#child.on('error', (error) => {
        this.stderr += error.message;
        settle({ code: 127, signal: null });
      });
      this.#child.on('close', (code, signal) => settle({ code, signal }));
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.argv[0]} was not started`);
    return this.#child.pid;
  }

  /** Resident memory in KiB, now. */
  residentKiB(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? NaN);
  }

  /** Sends a signal; harmless once the program has ended. */
  kill(signal: NodeJS.Signals): void {
    if (this.end === undefined) this.#child.kill(signal);
  }

  /**
   * Waits for a text in what the program prints.
   *
   * @throws Error when the program ends or the time is over before that
   */
  async waitFor(
    stream: 'stdout' | 'stderr',
    pattern: RegExp,
    timeoutMs = 20_000,
  ): Promise<RegExpExecArray> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const found = pattern.exec(this[stream]);
      if (found !== null) return found;
      const isOver = performance.now() >= deadlineMs;
      if (this.end !== undefined || isOver) {
        const what = isOver ? `did not print ${pattern} within ${timeoutMs} ms` : 'has ended';
        throw new Error(`${this.describe()} ${what}\n${this.stdout}\n${this.stderr}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(50, deadlineMs - performance.now()));
        this.#onChange = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /**
   * Waits for the end; kills the program when it takes longer.
   *
   * @throws Error when it had to be killed
   */
  async waitForEnd(timeoutMs: number): Promise<ProgramResult> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.kill('SIGKILL');
    }, timeoutMs);
    const end = await this.#ended;
    clearTimeout(timer);
    const elapsedMs = performance.now() - this.startedMs;
    const { stdout, stderr } = this;
    if (isLate) {
      throw new Error(`${this.describe()} still ran after ${timeoutMs} ms\n${stdout}\n${stderr}`);
    }
    return { ...end, stdout, stderr, elapsedMs };
  }

  /** Asks the program to end and waits for it. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', timeoutMs = 10_000): Promise<ProgramResult> {
    this.kill(signal);
    return await this.waitForEnd(timeoutMs);
  }

  describe(): string {
    return `\`${this.argv.join(' ')}\``;
  }
}

/** Runs a program to its end, whatever that is. */
export async function runProgram(
  argv: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  return await new LabProgram(argv, options).waitForEnd(options.timeoutMs ?? 60_000);
}

/**
 * Runs a program that has to succeed.
 *
 * @returns what it printed on standard output
 * @throws Error with all that it printed
 */
export async function runClient(
  argv: readonly string[],
  options: ProgramOptions = {},
): Promise<string> {
  const { code, signal, stdout, stderr } = await runProgram(argv, options);
  if (code === 0) return stdout;
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
  throw new Error(`\`${argv.join(' ')}\` ended with ${how}\n${stdout}\n${stderr}`);
}
