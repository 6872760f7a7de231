/** The command `oxmem-sim-endpoint`: from the arguments to the exit code. */
import { parseCommandLine, COMMAND_NAME } from './cli/command-line.ts';
import { ExitCode } from './cli/exit-codes.ts';

/** What shells report for a process that a signal ended, minus the number of the signal. */
const SIGNAL_EXIT_BASE = 128;
const STOP_SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const;

// Whoever read our lines may go; the memory stays.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<ExitCode> {
  const commandLine = parseCommandLine(argv);
  switch (commandLine.kind) {
    case 'print':
      process.stdout.write(commandLine.text);
      return ExitCode.done;
    case 'usage':
      process.stderr.write(`${COMMAND_NAME}: ${commandLine.problem}.\n`);
      return ExitCode.usage;
    case 'run': {
      // `--help` does not wait for these.
      const { endProcess } = await import('@oxmem/rawsock');
      const { runEndpoint } = await import('./cli/run-endpoint.ts');
      const code = await runEndpoint(commandLine.options, {
        stdout: process.stdout,
        stderr: process.stderr,
        pid: process.pid,
        onStop: (listener) => onStop(listener, endProcess),
        onUncaught: (listener) => {
          process.on('uncaughtException', listener);
        },
      });
      return endProcess(code);
    }
  }
}

/** The first signal asks to stop; the second ends the process at once. */
function onStop(listener: () => void, endProcess: (code: number) => never): void {
  let isStopping = false;
  for (const [signal, number] of Object.entries(STOP_SIGNALS)) {
    process.on(signal, () => {
      if (isStopping) endProcess(SIGNAL_EXIT_BASE + number);
      isStopping = true;
      listener();
    });
  }
}
