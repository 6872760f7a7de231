import type { Micros } from '@oxmem/tloe-protocol';

import { runningDrivers } from '../../observe/running-drivers.ts';
import type { CommandPorts } from '../command-ports.ts';
import type { TopPorts } from './top.ts';

/** The terminal of this process, or what standard output is instead. */
export function terminalPorts({ files }: Pick<CommandPorts, 'files'>): TopPorts {
  const { stdout, stdin, env } = process;
  let end: (() => void) | undefined;
  let isEnding = false;
  const stop = (): void => {
    isEnding = true;
    end?.();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  // Whoever read our lines has gone.
  stdout.on('error', stop);
  if (stdout.isTTY && stdin.isTTY) {
    stdin.setRawMode(true);
    stdin.on('data', (key: Buffer) => {
      if (['q', '\u0003', '\u001b'].includes(key.toString())) stop();
    });
    stdin.unref();
    process.on('exit', () => stdin.setRawMode(false));
  }
  return {
    drivers: () => runningDrivers(files),
    write: (text) => stdout.write(text),
    terminal: stdout.isTTY
      ? () => ({ columns: stdout.columns ?? 80, rows: stdout.rows ?? 24 })
      : undefined,
    isColoured: stdout.isTTY && (env['NO_COLOR'] ?? '') === '',
    pause: (micros: Micros) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => resolve(!isEnding), isEnding ? 0 : micros / 1e3);
        end = () => {
          clearTimeout(timer);
          resolve(false);
        };
      }),
  };
}
