/**
 * The program `oxmem-bdev`: command line in, exit code out. Everything else is in runtime/ and in
 * compose.ts, and what a command line does not ask for is not loaded.
 */
import { ExitCode } from './cli/exit-codes.ts';
import { describeProgram, readCommandLine } from './cli/program.ts';

async function main(args: readonly string[]): Promise<ExitCode> {
  const commandLine = readCommandLine(args);
  switch (commandLine.kind) {
    case 'print':
      process.stdout.write(commandLine.text);
      return ExitCode.done;
    case 'usageError':
      complain(commandLine.sentence);
      return ExitCode.usage;
    case 'run': {
      const { runProcess } = await import('./runtime/run-process.ts');
      return await runProcess(commandLine.options, complain);
    }
    case 'completion': {
      const { completionScript } = await import('./cli/completion-script.ts');
      process.stdout.write(completionScript(commandLine.options.shell, describeProgram()));
      return ExitCode.done;
    }
    default: {
      const { runCommand } = await import('./commands/run-command.ts');
      return await runCommand(commandLine, complain);
    }
  }
}

function complain(sentence: string): void {
  process.stderr.write(`oxmem-bdev: ${sentence}\n`);
}

// Whoever read our output may be gone; that is no reason to leave the endpoint without a Close.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
// Everything is released by now, and what was printed has been written: on Linux, standard output
// and standard error are synchronous.
void main(process.argv.slice(2)).then((code) => process.exit(code));
