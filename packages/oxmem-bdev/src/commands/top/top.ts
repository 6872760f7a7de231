import type { Micros } from '@oxmem/tloe-protocol';

import { ExitCode } from '../../cli/exit-codes.ts';
import type { DriverTold } from '../../observe/driver-told.ts';
import { driverRates, type DriverRates } from './driver-rates.ts';
import type { TopOptions } from './options.ts';
import {
  PERIODS_SHOWN,
  historyKey,
  plainLines,
  screenLines,
  type RateHistory,
} from './top-screen.ts';

/** What `top` needs of its surroundings; a test gives others. */
export interface TopPorts {
  /** Asks all drivers; undefined: somebody wants it to end. */
  readonly drivers: () => Promise<readonly DriverTold[] | undefined>;
  /** Takes text for standard output. */
  readonly write: (text: string) => void;
  /** Undefined: standard output is no terminal. */
  readonly terminal: (() => { readonly columns: number; readonly rows: number }) | undefined;
  readonly isColoured: boolean;
  /** Resolves after that time, or at once when somebody wants it to end; whether nobody does. */
  readonly pause: (micros: Micros) => Promise<boolean>;
}

/** `oxmem-bdev top`: what the drivers of this machine do, again and again. */
export async function top({ interval, once }: TopOptions, ports: TopPorts): Promise<ExitCode> {
  const { terminal, write } = ports;
  const history = new Map<string, number[]>();
  let before = new Map<string, DriverTold>();
  if (terminal !== undefined && !once) write(HIDE_CURSOR);
  try {
    for (let isFirst = true; ; isFirst = false) {
      const told = await ports.drivers();
      if (told === undefined) return ExitCode.done;
      const rates = told.map((now) => driverRates(now, before.get(keyOf(now))));
      before = new Map(told.map((now) => [keyOf(now), now]));
      // The first rates would be those of whole lives.
      const isTelling = !isFirst || told.length === 0;
      if (isTelling) remember(history, rates);
      if (isTelling) write(picture(rates, history, { ...ports, once }));
      if (isTelling && once) return ExitCode.done;
      if (!(await ports.pause(interval))) return ExitCode.done;
    }
  } finally {
    if (terminal !== undefined && !once) write(SHOW_CURSOR);
  }
}

function picture(
  rates: readonly DriverRates[],
  history: RateHistory,
  { terminal, isColoured, once }: Pick<TopPorts, 'terminal' | 'isColoured'> & { once: boolean },
): string {
  if (terminal === undefined) return `${plainLines(rates).join('\n')}\n`;
  const { columns, rows } = terminal();
  const lines = screenLines(rates, history, { isColoured, columns });
  if (once) return `${lines.join('\n')}\n`;
  const shown = lines.slice(0, rows - 1).map((line) => `${CLEAR_LINE}${line}\n`);
  return `${HOME}${shown.join('')}${CLEAR_BELOW}`;
}

function remember(history: Map<string, number[]>, rates: readonly DriverRates[]): void {
  const now = new Map<string, number[]>();
  for (const driver of rates) {
    for (const device of [...driver.devices, driver.total]) {
      const key = historyKey(driver, device);
      const rate = device.read.bytesPerSecond + device.write.bytesPerSecond;
      now.set(key, [...(history.get(key) ?? []), rate].slice(-PERIODS_SHOWN));
    }
  }
  history.clear();
  for (const [key, past] of now) history.set(key, past);
}

function keyOf({ pid, endpoint }: DriverTold): string {
  return `${pid} ${endpoint}`;
}

const HOME = '\u001b[H';
// Before a line is written: after a full one, the cursor stands on its last column still.
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';
const HIDE_CURSOR = '\u001b[?25l\u001b[2J';
const SHOW_CURSOR = '\u001b[?25h';
