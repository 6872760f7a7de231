import { ExitCode } from '../../cli/exit-codes.ts';
import { readRecords } from '../../kernel/device-record.ts';
import type { DriverTold } from '../../observe/driver-told.ts';
import type { CommandPorts } from '../command-ports.ts';
import { statusReport } from './device-status.ts';
import type { StatusOptions } from './options.ts';
import { statusLines } from './status-table.ts';

/** What `status` needs besides. */
export interface StatusPorts extends CommandPorts {
  /** Asks the drivers that run. */
  readonly drivers: () => Promise<readonly DriverTold[]>;
}

/** `oxmem-bdev status`: what NBD devices are attached, who serves them, and who uses them. */
export async function status(options: StatusOptions, ports: StatusPorts): Promise<ExitCode> {
  const recordFiles = readRecords(ports.recordFolder);
  for (const file of recordFiles) {
    if (file.record === undefined) ports.complain(`${file.path} is left aside: ${file.problem}.`);
  }
  const report = statusReport(ports.files, recordFiles, await ports.drivers());
  ports.print(options.json ? JSON.stringify(report, undefined, 2) : statusLines(report).join('\n'));
  return ExitCode.done;
}
