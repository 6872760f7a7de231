import type { VirtualClock } from '@oxmem/tloe-protocol/testing';

import { turn } from './virtual-device.ts';

const PATIENCE_MILLIS = 20_000;
/** Virtual time that passes with each turn of the event loop. */
const TURN_MICROS = 100;

/**
 * Lets real sockets and virtual time go on together until `isReached`. Time-outs come only when a
 * test moves the clock on purpose: a turn of the event loop is a tenth of a virtual millisecond.
 */
export async function until(clock: VirtualClock, isReached: () => boolean): Promise<void> {
  const startedAt = performance.now();
  while (!isReached()) {
    if (performance.now() - startedAt > PATIENCE_MILLIS) throw new Error('it does not come to it');
    await turn();
    clock.advanceBy(TURN_MICROS);
  }
}

/** So many turns of the event loop, in which what should not happen has its chance. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}
