import { ExitCode } from '../../cli/exit-codes.ts';
import { readRecords } from '../../kernel/device-record.ts';
import type { CommandPorts } from '../command-ports.ts';
import { statusReport } from './device-status.ts';
import type { StatusOptions } from './options.ts';
import { statusLines } from './status-table.ts';

/** `oxmem-bdev status`: what NBD devices are attached, who serves them, and who uses them. */
export function status(options: StatusOptions, ports: CommandPorts): ExitCode {
  const recordFiles = readRecords(ports.recordFolder);
  for (const file of recordFiles) {
    if (file.record === undefined) ports.complain(`${file.path} is left aside: ${file.problem}.`);
  }
  const report = statusReport(ports.files, recordFiles);
  ports.print(options.json ? JSON.stringify(report, undefined, 2) : statusLines(report).join('\n'));
  return ExitCode.done;
}
