import { setTimeout } from 'node:timers/promises';

import type { Micros } from '@oxmem/tloe-protocol';

import type { DriversFound } from '../../observe/running-drivers.ts';
import type { TopPorts } from './top.ts';

/**
 * The terminal of this process, or what standard output is instead.
 *
 * @param ask  asks the drivers how they fare; an end does not wait for them
 */
export function terminalPorts(ask: () => Promise<DriversFound>): TopPorts {
  const { stdout, stdin, env } = process;
  let end: (() => void) | undefined;
  let isEnding = false;
  const stop = (): void => {
    isEnding = true;
    end?.();
  };
  const unlessEnded = <T>(work: Promise<T>): Promise<T | undefined> =>
    new Promise((resolve, reject) => {
      end = () => resolve(undefined);
      if (isEnding) end();
      work.then(resolve, reject);
    });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  // Whoever read our lines has gone.
  stdout.on('error', stop);
  if (stdout.isTTY && stdin.isTTY) {
    // Node gives the terminal its settings back at the end, also at that of a failure.
    stdin.setRawMode(true);
    stdin.on('error', stop).on('data', (typed: Buffer) => {
      const keys = typed.toString();
      // Other keys begin with Escape.
      if (keys.includes('q') || keys.includes(CTRL_C) || keys.endsWith(ESCAPE)) stop();
    });
    stdin.unref();
  }
  return {
    drivers: () => unlessEnded(ask()),
    write: (text) => stdout.write(text),
    // Where nobody knows the size, it is 0.
    terminal: stdout.isTTY
      ? () => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 })
      : undefined,
    isColoured: stdout.isTTY && (env['NO_COLOR'] ?? '') === '',
    pause: async (micros: Micros) => (await unlessEnded(setTimeout(micros / 1e3, true))) ?? false,
  };
}

const CTRL_C = '\u0003';
const ESCAPE = '\u001b';
