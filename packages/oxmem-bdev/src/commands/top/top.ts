import { SECOND, type Micros } from '@oxmem/tloe-protocol';

import { ExitCode } from '../../cli/exit-codes.ts';
import type { DriverTold } from '../../observe/driver-told.ts';
import type { DriversFound } from '../../observe/running-drivers.ts';
import { driverRates, type DriverRates } from './driver-rates.ts';
import type { TopOptions } from './options.ts';
import { plainLines, screenLines, type Picture } from './top-screen.ts';

/** What `top` needs of its surroundings; a test gives others. */
export interface TopPorts {
  /** Asks all drivers; undefined: somebody wants it to end. */
  readonly drivers: () => Promise<DriversFound | undefined>;
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
  const known: KnownDrivers = new Map();
  if (terminal !== undefined && !once) write(HIDE_CURSOR);
  try {
    for (let turn = 0; ; turn++) {
      const found = await ports.drivers();
      if (found === undefined) return ExitCode.done;
      const { told, silent } = found;
      const drivers = told.map((now) => {
        const before = known.get(keyOf(now))?.rates;
        return driverRates(now, before, interval / SECOND);
      });
      remember(known, drivers, turn);
      // The first rates would be those of whole lives.
      const isTelling = turn > 0 || told.length + silent.length === 0;
      if (isTelling) write(pictureText({ drivers, silent }, { ...ports, once }));
      if (isTelling && once) return ExitCode.done;
      if (!(await ports.pause(interval))) return ExitCode.done;
    }
  } finally {
    if (terminal !== undefined && !once) write(SHOW_CURSOR);
  }
}

function pictureText(
  picture: Picture,
  { terminal, isColoured, once }: Pick<TopPorts, 'terminal' | 'isColoured'> & { once: boolean },
): string {
  if (terminal === undefined) return linesText(plainLines(picture));
  const { columns, rows } = terminal();
  const lines = screenLines(picture, { isColoured, columns });
  if (once) return linesText(lines);
  const shown = lines.slice(0, rows - 1).map((line) => CLEAR_LINE + line);
  return `${HOME}${linesText(shown)}${CLEAR_BELOW}`;
}

function linesText(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

/** What was last heard of each driver, and in which turn. */
type KnownDrivers = Map<string, { readonly rates: DriverRates; readonly turn: number }>;

/** One that does not answer for a moment goes on where it was. */
function remember(known: KnownDrivers, drivers: readonly DriverRates[], turn: number): void {
  for (const rates of drivers) known.set(keyOf(rates.told), { rates, turn });
  for (const [key, last] of known) if (turn - last.turn > MOST_MISSED) known.delete(key);
}

function keyOf({ pid, netdev, endpoint }: DriverTold): string {
  return `${pid} ${netdev} ${endpoint}`;
}

const MOST_MISSED = 10;
const HOME = '\u001b[H';
// Before a line is written: after a full one, the cursor stands on its last column still.
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';
const HIDE_CURSOR = '\u001b[?25l\u001b[2J';
const SHOW_CURSOR = '\u001b[?25h';
