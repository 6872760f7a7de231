/**
 * The driver as this process: with its signals, its standard output and its surroundings. It is
 * loaded when a driver starts; `--help` and the other commands do not wait for it.
 */
import { endProcess } from '@oxmem/rawsock';
import { SystemClock } from '@oxmem/tloe-protocol/node';

import { ExitCode } from '../cli/exit-codes.ts';
import type { Options } from '../cli/options.ts';
import { claimEndpoint } from '../endpoint/claim.ts';
import { DriverError } from '../errors.ts';
import { RECORD_FOLDER } from '../kernel/device-record.ts';
import { createLogger } from '../observe/logger.ts';
import { LeftoverFiles } from './leftover-files.ts';
import { runDriver } from './run-driver.ts';
import { StopRequest } from './stop-request.ts';
import { SWAP_WARNING, guardForSwap } from './swap-guard.ts';

/**
 * Runs the driver until a signal ends it, and then ends this process.
 *
 * @param complain  takes a sentence: why it could not run
 */
export async function runProcess(
  options: Options,
  complain: (sentence: string) => void,
): Promise<never> {
  return endProcess(await untilReleased(options, complain));
}

async function untilReleased(
  options: Options,
  complain: (sentence: string) => void,
): Promise<ExitCode> {
  const clock = new SystemClock();
  const leftovers = new LeftoverFiles();
  try {
    // Before anything is opened or a signal is caught: it starts this program anew.
    if (options.swap) guardForSwap();
    const stop = stopOnSignals(leftovers, options.listen === undefined ? HURRY_MILLIS : 0);
    const logger = createLogger(options.logLevel, options.logFormat);
    if (options.swap) logger.warn(SWAP_WARNING);
    await runDriver(
      options,
      {
        clock,
        originUnixMicros: clock.originUnixMicros,
        unixMicros: () => clock.unixMicros(),
        logger,
        print: (line) => process.stdout.write(`${line}\n`),
        terminal: terminalFor(options),
        environment: process.env,
        leftovers,
        runFolder: RECORD_FOLDER,
        askToHandOver: (pid) => isSent(pid, 'SIGUSR2'),
        claim: claimEndpoint,
      },
      stop,
    );
    return stop.isInsisted ? ExitCode.failed : ExitCode.done;
  } catch (thrown) {
    leftovers.removeAll();
    if (!(thrown instanceof DriverError)) throw thrown;
    complain(thrown.message);
    return thrown.exitCode;
  }
}

/**
 * The first signal asks for a shutdown in good order. After a second one nobody is waited for: the
 * program ends within `hurryMillis`, the time to take a device away from the kernel. A third one
 * ends it where it stands.
 */
function stopOnSignals(leftovers: LeftoverFiles, hurryMillis: number): StopRequest {
  const stop = new StopRequest();
  const leave = (): never => {
    leftovers.removeAll();
    endProcess(ExitCode.failed);
  };
  const onSignal = (): void => {
    if (stop.isInsisted) leave();
    stop.request();
    if (!stop.isInsisted) return;
    if (hurryMillis === 0) leave();
    setTimeout(leave, hurryMillis).unref();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  process.on('SIGUSR2', () => stop.askHandOver());
  return stop;
}

/** Where somebody looks at the log, and wants to hear more than of what is wrong. */
function terminalFor({ logFormat, logLevel }: Options): ((text: string) => void) | undefined {
  const isWanted = logFormat === 'text' && ['info', 'debug', 'trace'].includes(logLevel);
  return isWanted && process.stderr.isTTY ? (text) => process.stderr.write(text) : undefined;
}

function isSent(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** For a device that shall go although somebody uses it, and for the Close to the endpoint. */
const HURRY_MILLIS = 2_000;
