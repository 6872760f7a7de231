import { pino, type Logger } from 'pino';
import { prettyFactory } from 'pino-pretty';
import type { LogLevel } from './options.ts';

export type { Logger } from 'pino';

/** Where log lines go. */
export interface LogOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** A logger that writes each line before it returns: as JSON, or as text for people. */
export function createLogger(
  settings: { readonly level: LogLevel; readonly format: 'text' | 'json' },
  output: LogOutput,
): Logger {
  const common = { level: settings.level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (settings.format === 'json') return pino(common, { write: (line) => output.write(line) });
  const toText = prettyFactory({
    colorize: output.isTTY === true && (process.env['NO_COLOR'] ?? '') === '',
    translateTime: 'SYS:HH:MM:ss.l',
    // The message says it all; the fields are for programs.
    hideObject: true,
  });
  const write = (line: string): unknown => output.write(toText(line));
  return pino(common, { write });
}
