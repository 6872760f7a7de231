import { SECOND, type Clock, type Micros } from '@oxmem/tloe-protocol';

import type { Logger } from './logger.ts';

/** Who is told that something takes its time. */
export interface WaitingPorts {
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'info'>;
  /** Writes to the terminal on which the log is; undefined: there is none. */
  readonly terminal?: ((text: string) => void) | undefined;
}

/** What is waited for. */
export interface Waited {
  /** "waits for 04:00:00:00:00:01 to answer" */
  readonly text: string;
  /** It will be over then; undefined: nobody knows when. */
  readonly limitMicros?: Micros | undefined;
  /** The log has a line about it already. */
  readonly isLogged?: boolean;
}

/**
 * Says that we wait when it takes longer than two seconds: on a terminal by a line that counts the
 * seconds and goes away at the end, elsewhere by one line in the log.
 *
 * @returns what `work` comes to
 */
export async function whileWaiting<T>(
  work: Promise<T>,
  { text, limitMicros, isLogged = false }: Waited,
  { clock, logger, terminal }: WaitingPorts,
): Promise<T> {
  const begun = clock.now();
  const most = limitMicros === undefined ? '' : ` of at most ${limitMicros / SECOND} s`;
  let isShown = false;
  const alarm = clock.createAlarm(() => {
    const seconds = Math.floor((clock.now() - begun) / SECOND);
    if (terminal === undefined) {
      if (!isLogged) logger.info(`${text}, ${seconds} s${most} so far`);
      return;
    }
    // The cursor goes back to the start: a log line that comes between is written over it.
    terminal(`${CLEAR_LINE}… ${text}, ${seconds} s${most}\r`);
    isShown = true;
    alarm.arm(clock.now() + SECOND);
  });
  alarm.arm(begun + PATIENCE_MICROS);
  try {
    return await work;
  } finally {
    alarm.close();
    if (isShown) terminal?.(CLEAR_LINE);
  }
}

/** What is over by then needs no words. */
const PATIENCE_MICROS: Micros = 2 * SECOND;
const CLEAR_LINE = '\r\u001b[K';
