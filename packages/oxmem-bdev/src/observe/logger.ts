import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import pretty from 'pino-pretty';

import type { LogFormat, LogLevel } from './log-settings.ts';

/** What the driver says while it runs. Never used on the data path. */
export type Logger = PinoLogger;

/**
 * A logger that writes lines to standard error, each before the call returns: a program that ends
 * has said everything.
 *
 * @param stream  takes the lines of format `json` instead, for tests
 */
export function createLogger(
  level: LogLevel,
  format: LogFormat,
  stream?: DestinationStream,
): Logger {
  const settings = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (stream !== undefined) return pino(settings, stream);
  if (format === 'json') return pino(settings, pino.destination({ fd: STDERR, sync: true }));
  const text = pretty({
    destination: STDERR,
    sync: true,
    colorize: process.stderr.isTTY && (process.env['NO_COLOR'] ?? '') === '',
    translateTime: 'SYS:yyyy-mm-dd HH:MM:ss.l',
    singleLine: true,
    // For machines; the sentence has what a person wants.
    ignore: 'counters',
  });
  return pino(settings, text);
}

const STDERR = 2;
