import { accessSync, constants } from 'node:fs';
import { release } from 'node:os';

import { machineFiles, thisMachine } from '@oxmem/nbd-kernel';
import { loadBinding as loadRaw } from '@oxmem/rawsock';
import { SystemClock } from '@oxmem/tloe-protocol/node';

import type { ExitCode } from '../cli/exit-codes.ts';
import type { CommandLine } from '../cli/program.ts';
import { claimEndpoint } from '../endpoint/claim.ts';
import { DriverError } from '../errors.ts';
import { deviceFailure } from '../kernel/device-failure.ts';
import { RECORD_FOLDER } from '../kernel/device-record.ts';
import { runningDrivers } from '../observe/running-drivers.ts';
import type { CommandPorts } from './command-ports.ts';
import { detach } from './detach/detach.ts';
import { doctor } from './doctor/doctor.ts';
import { status } from './status/status.ts';

/** Runs a command on this machine. */
export async function runCommand(
  command: Extract<CommandLine, { kind: 'detach' | 'status' | 'top' | 'doctor' }>,
  complain: (sentence: string) => void,
): Promise<ExitCode> {
  const ports: CommandPorts = {
    files: machineFiles,
    recordFolder: RECORD_FOLDER,
    print: (text) => process.stdout.write(`${text}\n`),
    complain,
  };
  try {
    switch (command.kind) {
      case 'detach':
        return await detach(command.options, {
          ...ports,
          machine: thisMachine(),
          signal: (pid, signal) => void process.kill(pid, signal),
        });
      case 'status':
        return await status(command.options, {
          ...ports,
          drivers: async () => (await runningDrivers(machineFiles)).told,
        });
      case 'top': {
        const { top } = await import('./top/top.ts');
        const { terminalPorts } = await import('./top/terminal.ts');
        return await top(
          command.options,
          terminalPorts(() => runningDrivers(machineFiles)),
        );
      }
      case 'doctor':
        return await doctor(command.options, {
          ...ports,
          release: release(),
          clock: new SystemClock(),
          claim: claimEndpoint,
          mayOpen,
          loadNbd: () => thisMachine().binding,
          loadRaw,
        });
    }
  } catch (thrown) {
    const failure = deviceFailure(thrown);
    if (!(failure instanceof DriverError)) throw failure;
    complain(failure.message);
    return failure.exitCode;
  }
}

function mayOpen(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
