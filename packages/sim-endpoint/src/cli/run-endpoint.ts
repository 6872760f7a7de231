import { randomInt } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { RawSocketError, type NativeBinding } from '@oxmem/rawsock';
import { formatAddress } from '@oxmem/tloe-protocol';
import type { EndpointEvent } from '../endpoint-events.ts';
import { profileOptions } from '../endpoint-profile.ts';
import { FileMemory, FileMemoryError } from '../memory/file-memory.ts';
import {
  startEndpoint,
  type NetworkEndpointOptions,
  type RunningEndpoint,
} from '../start-endpoint.ts';
import { COMMAND_NAME } from './command-line.ts';
import { logEvent, logSummary } from './event-log.ts';
import { observeEndpoint, type EndpointObservation } from './endpoint-observation.ts';
import { ExitCode } from './exit-codes.ts';
import { createLogger, type LogOutput, type Logger } from './logger.ts';
import type { CliOptions } from './options.ts';
import { StartError } from './start-error.ts';

/** The outside, as the command sees it. */
export interface CliEnvironment {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: LogOutput;
  /** Registers who is told of the first request to stop. */
  onStop(listener: () => void): void;
  /** Registers who is told of errors that nobody caught. */
  onUncaught(listener: (error: unknown) => void): void;
  /** Process id, for the pid file. */
  readonly pid: number;
  /** A mock of the native socket, for tests. */
  readonly binding?: NativeBinding;
}

/** Serves until it is told to stop, or something fails. Resolves with how to exit. */
export async function runEndpoint(
  options: CliOptions,
  environment: CliEnvironment,
): Promise<ExitCode> {
  const { stderr } = environment;
  const log = createLogger({ level: options.logLevel, format: options.logFormat }, stderr);
  const end = new EndOfRun();
  const run: Run = { environment, log, end, isServing: false };
  environment.onStop(() => end.reach(undefined));
  environment.onUncaught((error) => end.reach(error));
  try {
    await serve(options, run);
    return ExitCode.done;
  } catch (error) {
    stderr.write(`${COMMAND_NAME}: ${sentenceOf(error)}\n`);
    return run.isServing ? ExitCode.failed : exitCodeOf(error);
  }
}

interface Run {
  readonly environment: CliEnvironment;
  readonly log: Logger;
  readonly end: EndOfRun;
  /** The ready line is out: what fails from now on has failed while running. */
  isServing: boolean;
}

async function serve(options: CliOptions, run: Run): Promise<void> {
  const memory =
    options.backing === undefined ? undefined : FileMemory.open(options.backing, options.sizeBytes);
  try {
    const settings = endpointOptions(options, run);
    const endpoint = await startEndpoint(memory === undefined ? settings : { ...settings, memory });
    await untilEnd(endpoint, options, run);
  } finally {
    memory?.close();
  }
}

async function untilEnd(endpoint: RunningEndpoint, options: CliOptions, run: Run): Promise<void> {
  const { environment, log, end } = run;
  let pidFile: string | undefined;
  let observation: EndpointObservation | undefined;
  try {
    observation = await observeEndpoint({ endpoint, options, pid: environment.pid, log });
    environment.stdout.write(`${readyLine(endpoint, options)}\n`);
    pidFile = writePidFile(options.pidFile, environment.pid);
    run.isServing = true;
    await end.reached;
  } finally {
    await endpoint.close();
    await observation?.close();
    if (pidFile !== undefined) removePidFile(pidFile, log);
    logSummary(log, endpoint.stats());
  }
}

function endpointOptions(options: CliOptions, run: Run): NetworkEndpointOptions {
  const { log, end, environment } = run;
  return {
    interfaceName: options.netdev,
    sizeBytes: options.sizeBytes,
    base: options.base,
    ...(options.dataOrder && { dataOrder: options.dataOrder }),
    ...profileOptions(options.profile),
    maxConnections: options.maxConnections,
    maxAccessBytes: options.maxRequestBytes,
    busyPollMicros: options.busyPollMicros,
    range: options.range,
    alignment: options.alignment,
    faults: options.faults,
    seed: seedOf(options, log),
    onEvent: (event: EndpointEvent) => {
      if (event.type === 'failed') end.reach(event.error);
      else logEvent(log, event);
    },
    onCaptureFailure: (error) => {
      log.error(`the capture "${options.pcap}" ends here: ${error.message}`);
    },
    ...(options.pcap !== undefined && { pcap: options.pcap }),
    ...(environment.binding && { binding: environment.binding }),
  };
}

function seedOf(options: CliOptions, log: Logger): number {
  const seed = options.seed ?? randomInt(2 ** 32);
  if (options.faults.length > 0) {
    log.info(
      { seed, faults: options.faults },
      `faults: ${options.faults.join(' ')} --seed=${seed}`,
    );
  }
  return seed;
}

function readyLine(endpoint: RunningEndpoint, options: CliOptions): string {
  const where = `${endpoint.macText} on ${options.netdev}`;
  return `ready: endpoint ${where}, ${options.sizeBytes} bytes at ${formatAddress(options.base)}`;
}

/** @returns the path of the file, if there is to be one */
function writePidFile(path: string | undefined, pid: number): string | undefined {
  if (path === undefined) return undefined;
  try {
    writeFileSync(path, `${pid}\n`);
    return path;
  } catch (error) {
    throw new StartError(
      `The pid file "${path}" cannot be written: ${(error as Error).message}; name another place.`,
      error,
    );
  }
}

function removePidFile(path: string, log: Logger): void {
  try {
    rmSync(path, { force: true });
  } catch (error) {
    log.warn(`the pid file "${path}" is left behind: ${(error as Error).message}`);
  }
}

/** The moment at which serving ends: because somebody said so, or because of an error. */
class EndOfRun {
  readonly reached: Promise<void>;
  #settle: (error: unknown) => void = () => {};

  constructor() {
    this.reached = new Promise((resolve, reject) => {
      this.#settle = (error) => {
        if (error === undefined) resolve();
        else reject(error as Error);
      };
    });
    // It may come before anybody waits for it.
    this.reached.catch(() => {});
  }

  /** @param error  undefined: all is well */
  reach(error: unknown): void {
    this.#settle(error);
  }
}

/** Known errors say what is wrong and what to do in one sentence; others show where they are. */
function sentenceOf(error: unknown): string {
  const isKnown =
    error instanceof RawSocketError ||
    error instanceof FileMemoryError ||
    error instanceof StartError;
  if (isKnown) return error.message;
  if (!(error instanceof Error)) return String(error);
  // A capture file that cannot be made comes as the system's own error.
  const isSystem = 'syscall' in error && 'code' in error;
  return isSystem
    ? `A file could not be opened: ${error.message}.`
    : (error.stack ?? error.message);
}

function exitCodeOf(error: unknown): ExitCode {
  if (!(error instanceof RawSocketError)) return ExitCode.failed;
  switch (error.code) {
    case 'ERR_RAWSOCK_PERMISSION':
      return ExitCode.notPermitted;
    case 'ERR_RAWSOCK_NO_INTERFACE':
    case 'ERR_RAWSOCK_INTERFACE_DOWN':
      return ExitCode.noInterface;
    case 'ERR_RAWSOCK_CLOSED':
    case 'ERR_RAWSOCK_NO_ADDON':
    case 'ERR_RAWSOCK_OS':
      return ExitCode.failed;
  }
}
