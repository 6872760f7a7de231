import { becomesTrue, type DeviceClock } from '@oxmem/nbd-kernel';

/** How long somebody waits, and what he hears meanwhile. All times in milliseconds. */
export interface Patience {
  readonly clock: DeviceClock;
  readonly limitMillis: number;
  /** Called after 2 s, and every 5 s from then on, with the time that has passed. */
  readonly onProgress: (waitedMillis: number) => void;
}

/**
 * Looks again and again whether something holds.
 *
 * @returns whether it held in time
 */
export function waitUntil(holds: () => boolean, patience: Patience): Promise<boolean> {
  const { clock, limitMillis, onProgress } = patience;
  let nextWord = FIRST_WORD_MILLIS;
  return becomesTrue(clock, limitMillis, (waitedMillis) => {
    if (holds()) return true;
    if (waitedMillis >= nextWord && waitedMillis < limitMillis) {
      onProgress(waitedMillis);
      nextWord += MORE_WORDS_MILLIS;
    }
    return false;
  });
}

const FIRST_WORD_MILLIS = 2000;
const MORE_WORDS_MILLIS = 5000;
