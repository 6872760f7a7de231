import { BlockCommand, type BlockRequest } from '@oxmem/nbd-protocol';
import { SECOND, type Clock, type MemoryStatus, type Micros } from '@oxmem/tloe-protocol';

import { textOf } from '../device/nbd-errno.ts';
import type { Logger } from './logger.ts';

/**
 * Says in the log that requests fail, without flooding it: the first failure at once, those of the
 * next seconds as a number with the next one that is shown.
 */
export class RequestFailureLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  #quietUntil: Micros = -Infinity;
  #unsaid = 0;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  requestFailed(block: BlockRequest, status: MemoryStatus): void {
    const now = this.#clock.now();
    if (now < this.#quietUntil) {
      this.#unsaid++;
      return;
    }
    const what = `${COMMAND_NAMES[block.command]} of ${block.length} bytes at ${block.offset}`;
    const more = this.#unsaid === 0 ? '' : ` (and ${this.#unsaid} more before)`;
    this.#logger.warn(`${what} failed: ${textOf(status)}${more}`);
    this.#quietUntil = now + QUIET_MICROS;
    this.#unsaid = 0;
  }
}

const COMMAND_NAMES: Readonly<Record<BlockCommand, string>> = {
  [BlockCommand.Read]: 'read',
  [BlockCommand.Write]: 'write',
  [BlockCommand.Flush]: 'flush',
  [BlockCommand.Trim]: 'trim',
  [BlockCommand.WriteZeroes]: 'zeroing',
};

const QUIET_MICROS: Micros = 5 * SECOND;
