/**
 * The laboratory of the end-to-end tests: a wire between two network namespaces, the real endpoint
 * command at its far end, the real driver command at its near end, and one folder for all files.
 *
 * `close` stops everything in good order and throws when something was left behind.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { LabProgram } from './lab-program.ts';
import type { ProgramResult } from './lab-program.ts';
import { openVethLab } from './netns.ts';
import type { LabInterface, VethLab } from './netns.ts';

const require = createRequire(import.meta.url);

/** The commands as they are started: node with the file in the package's bin folder. */
export const driverCommand: readonly string[] = [
  process.execPath,
  join(dirname(require.resolve('oxmem-bdev/package.json')), 'bin', 'oxmem-bdev.js'),
];
export const endpointCommand: readonly string[] = [
  process.execPath,
  join(
    dirname(require.resolve('@oxmem/sim-endpoint/package.json')),
    'bin',
    'oxmem-sim-endpoint.js',
  ),
];
export const tloeCommand: readonly string[] = [
  process.execPath,
  join(import.meta.dirname, '..', 'packages', 'oxmem-tloe', 'bin', 'oxmem-tloe.js'),
];

/** The lines that a driver's standard output ends with, in this order. */
export const SHUTDOWN_LINES = [
  'Closing OmniXtend connection...',
  'Disconnect packet sent successfully',
  'Cleanup complete',
] as const;

/** What a lab is made of. */
export interface LabOptions {
  /** Default 1500. */
  readonly mtuBytes?: number;
  /** Interfaces at the near end, joined by a bridge when there is more than one. Default 1. */
  readonly places?: number;
  /** How long a command may take to get ready, or to end. Default 20 s and 10 s. */
  readonly patienceMs?: number;
}

/** What a driver is started with; all else is `args`. */
export interface DriverOptions {
  /** Which interface of the near end. Default 0. */
  readonly place?: number;
  /** Default: the size of the endpoint. */
  readonly size?: string;
  readonly args?: readonly string[];
  /** Do not wait for the ready line. */
  readonly isReadyAwaited?: boolean;
}

/** A running driver. */
export interface LabDriver {
  readonly program: LabProgram;
  readonly socketPath: string;
  readonly pidFile: string;
  /** For libnbd's and QEMU's clients. */
  readonly uri: string;
}

/** See the head of this file. */
export class OxmemLab {
  readonly wire: VethLab;
  /** For the files of a test; removed at the end. */
  readonly folder: string;
  readonly #programs: LabProgram[] = [];
  readonly #drivers: LabDriver[] = [];
  /** Processes that a test killed on purpose: nobody expects them to tidy up. */
  readonly #excused = new Set<LabProgram>();
  readonly #patienceMs: number | undefined;
  #size = '64M';
  #names = 0;

  private constructor(wire: VethLab, patienceMs: number | undefined) {
    this.wire = wire;
    this.#patienceMs = patienceMs;
    this.folder = mkdtempSync(join(tmpdir(), 'oxmem-lab-'));
  }

  static async open(options: LabOptions = {}): Promise<OxmemLab> {
    const { mtuBytes = 1500, places = 1, patienceMs } = options;
    return new OxmemLab(await openVethLab({ mtuBytes, localCount: places }), patienceMs);
  }

  /** An interface of the near end. */
  place(index: number): LabInterface {
    const place = this.wire.locals[index];
    if (place === undefined) throw new Error(`the lab has no place ${index}`);
    return place;
  }

  /** The path of a file in the folder of this lab. */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** Starts an endpoint and waits until it serves. */
  async startEndpoint(size: string, args: readonly string[] = []): Promise<LabProgram> {
    this.#size = size;
    const argv = [...endpointCommand, `--netdev=${this.wire.peer.name}`, `--size=${size}`, ...args];
    const program = this.start(this.wire.peerArgv(argv));
    await program.waitFor('stdout', /^ready: endpoint .*$/m, this.#patienceMs);
    return program;
  }

  /** Starts a driver, with an export on a unix socket and a pid file. */
  async startDriver(options: DriverOptions = {}): Promise<LabDriver> {
    const { place = 0, size = this.#size, args = [], isReadyAwaited = true } = options;
    const name = `d${this.#names++}`;
    const socketPath = this.path(`${name}.sock`);
    const pidFile = this.path(`${name}.pid`);
    const program = this.start([
      ...this.driverArgv(place, size),
      `--listen=unix:${socketPath}`,
      `--pid-file=${pidFile}`,
      ...args,
    ]);
    const driver = { program, socketPath, pidFile, uri: `nbd+unix:///?socket=${socketPath}` };
    this.#drivers.push(driver);
    if (isReadyAwaited) await this.waitUntilReady(program);
    return driver;
  }

  /**
   * Waits for a driver's ready line.
   *
   * @throws Error with what all programs of the lab have said: the endpoint's words are half of the
   *   story when a driver does not get ready
   */
  async waitUntilReady(program: LabProgram): Promise<void> {
    try {
      await program.waitFor('stdout', /^ready: .*$/m, this.#patienceMs);
    } catch (error) {
      const others = this.#programs.filter((other) => other !== program);
      const said = others.map((other) => {
        const state = other.end === undefined ? 'runs' : 'has ended';
        return `${other.describe()} ${state}:\n${other.stdout}${other.stderr}`;
      });
      throw new Error([(error as Error).message, ...said].join('\n'), { cause: error });
    }
  }

  /** The command line of a driver without an export. */
  driverArgv(place = 0, size: string = this.#size): string[] {
    const { name } = this.place(place);
    return [...driverCommand, `--netdev=${name}`, `--mac=${this.wire.peer.mac}`, `--size=${size}`];
  }

  /** Starts any program; `close` sees to its end. */
  start(argv: readonly string[]): LabProgram {
    const program = new LabProgram(argv);
    this.#programs.push(program);
    return program;
  }

  /** Kills a program on purpose, without giving it a chance to tidy up. */
  async crash(program: LabProgram): Promise<void> {
    this.#excused.add(program);
    await program.stop('SIGKILL');
  }

  /** From now on nobody minds how this program ends. */
  excuse(program: LabProgram): void {
    this.#excused.add(program);
  }

  /**
   * Stops what still runs, the last started first, and takes the lab down.
   *
   * @throws Error when a program did not end well by itself, or a file was left behind
   */
  async close(): Promise<void> {
    const problems: string[] = [];
    for (const program of this.#programs.toReversed()) {
      if (program.end !== undefined) continue;
      try {
        const result = await program.stop('SIGTERM', this.#patienceMs);
        if (!this.#excused.has(program)) problems.push(...complaints(program, result));
      } catch (error) {
        problems.push((error as Error).message);
      }
    }
    for (const { program, socketPath, pidFile } of this.#drivers) {
      if (this.#excused.has(program)) continue;
      for (const path of [socketPath, pidFile]) {
        if (existsSync(path)) problems.push(`${program.describe()} has left ${path}`);
      }
    }
    await this.wire.close();
    rmSync(this.folder, { recursive: true, force: true });
    problems.push(...this.#programs.filter(isAlive).map((it) => `${it.describe()} is alive`));
    if (problems.length > 0) throw new Error(problems.join('\n'));
  }

  /** Names of the files in the folder. */
  files(): string[] {
    return readdirSync(this.folder).toSorted();
  }
}

function complaints(program: LabProgram, result: ProgramResult): string[] {
  if (result.code === 0) return [];
  const how = result.signal ?? `exit code ${result.code}`;
  return [`${program.describe()} ended with ${how}\n${result.stdout}\n${result.stderr}`];
}

function isAlive(program: LabProgram): boolean {
  return existsSync(`/proc/${program.pid}`);
}
