/** The command `oxmem-tloe`: from the arguments to the exit code. */
import process from 'node:process';
import { endProcess } from '@oxmem/rawsock';
import { runCommand } from './cli/run-command.ts';

/** What shells report for a process that a signal ended, minus the number of the signal. */
const SIGNAL_EXIT_BASE = 128;
const STOP_SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const;

// Whoever read our lines may go; the stream then counts as destroyed, and the command ends.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

process.exitCode = await runCommand(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  noColor: process.env['NO_COLOR'],
  onStop,
});

/** The first signal asks to stop; the second ends the process at once. */
function onStop(listener: () => void): void {
  let isStopping = false;
  for (const [signal, number] of Object.entries(STOP_SIGNALS)) {
    process.on(signal, () => {
      if (isStopping) endProcess(SIGNAL_EXIT_BASE + number);
      isStopping = true;
      listener();
    });
  }
}
