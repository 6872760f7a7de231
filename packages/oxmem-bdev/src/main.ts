/**
 * The program `oxmem-bdev`: command line in, exit code out. Everything else is in runtime/ and in
 * compose.ts.
 */
import { SystemClock } from '@oxmem/tloe-protocol/node';

import { ExitCode } from './cli/exit-codes.ts';
import type { Options } from './cli/options.ts';
import { readCommandLine } from './cli/program.ts';
import { DriverError } from './errors.ts';
import { createLogger } from './observe/logger.ts';
import { LeftoverFiles } from './runtime/leftover-files.ts';
import { runDriver } from './runtime/run-driver.ts';
import { StopRequest } from './runtime/stop-request.ts';

async function main(args: readonly string[]): Promise<ExitCode> {
  const commandLine = readCommandLine(args);
  switch (commandLine.kind) {
    case 'print':
      process.stdout.write(commandLine.text);
      return ExitCode.done;
    case 'usageError':
      complain(commandLine.sentence);
      return ExitCode.usage;
    case 'run':
      return await run(commandLine.options);
  }
}

async function run(options: Options): Promise<ExitCode> {
  const clock = new SystemClock();
  const leftovers = new LeftoverFiles();
  try {
    await runDriver(
      options,
      {
        clock,
        originUnixMicros: clock.originUnixMicros,
        logger: createLogger(options.logLevel, options.logFormat),
        print: (line) => process.stdout.write(`${line}\n`),
        environment: process.env,
        leftovers,
      },
      stopOnSignals(leftovers),
    );
    return ExitCode.done;
  } catch (thrown) {
    leftovers.removeAll();
    if (!(thrown instanceof DriverError)) throw thrown;
    complain(thrown.message);
    return thrown.exitCode;
  }
}

/** The first SIGINT or SIGTERM asks for a shutdown, the second one ends the program at once. */
function stopOnSignals(leftovers: LeftoverFiles): StopRequest {
  const stop = new StopRequest();
  const onSignal = (): void => {
    if (!stop.isRequested) {
      stop.request();
      return;
    }
    leftovers.removeAll();
    process.exit(ExitCode.failed);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return stop;
}

function complain(sentence: string): void {
  process.stderr.write(`oxmem-bdev: ${sentence}\n`);
}

// Whoever read our output may be gone; that is no reason to leave the endpoint without a Close.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
// Everything is released by now, and what was printed has been written: on Linux, standard output
// and standard error are synchronous.
process.exit(await main(process.argv.slice(2)));
