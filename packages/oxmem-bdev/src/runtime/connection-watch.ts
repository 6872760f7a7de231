import type { Micros } from '@oxmem/tloe-protocol';
import { formatMac } from '@oxmem/tloe-protocol/text';

import type { EndpointObserver, NoReturn } from '../endpoint/endpoint-memory.ts';
import { DriverError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';

/** Follows the fate of the connection to the endpoint: logs it, and tells when it is over. */
export class ConnectionWatch implements EndpointObserver {
  /** Resolves when nothing will work any more. */
  readonly ended: Promise<DriverError>;
  /** The same, to look at. */
  end: DriverError | undefined = undefined;
  readonly #logger: Logger;
  readonly #peer: string;
  readonly #whenLost: 'fail' | 'wait';
  #resolve: (end: DriverError) => void = () => {};

  constructor(logger: Logger, peerMac: Uint8Array, whenLost: 'fail' | 'wait') {
    this.#logger = logger;
    this.#peer = `endpoint ${formatMac(peerMac)}`;
    this.#whenLost = whenLost;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  onLost(silentMicros: Micros): void {
    const seconds = (silentMicros / 1e6).toFixed(1);
    this.#logger.error(
      `${this.#peer} has been silent for ${seconds} s: requests ${this.#effect()} until it answers`,
    );
  }

  onRecovered(): void {
    this.#logger.info(`${this.#peer} answers again and still holds the connection`);
  }

  onStillLost(why: NoReturn): void {
    this.#logger.warn(
      `${this.#peer} is silent still, and the old connection is tried on, because ${WHY[why]}: if ` +
        'the endpoint was restarted, it will not answer, and oxmem-bdev must be started again',
    );
  }

  onGivenUp(why: 'silent' | 'closed by the endpoint'): void {
    const what = why === 'silent' ? 'is silent still' : 'has closed the connection';
    this.#logger.warn(
      `${this.#peer} ${what}: a new connection is opened, and requests ${this.#effect()} until the ` +
        'endpoint has proven that it holds what was written',
    );
  }

  onStranded(why: NoReturn): void {
    this.#logger.error(
      `${this.#peer} has closed the connection, and no other one is opened, because ${WHY[why]}: ` +
        `every request fails with an I/O error. ${REMEDY}`,
    );
  }

  onProven(): void {
    this.#logger.info(
      `${this.#peer} answers again, on a new connection, and holds what was written: requests are ` +
        'served again',
    );
  }

  onDisproved(reason: string): void {
    this.#logger.error(
      `${this.#peer} answers again, but does not hold what was written, ${reason}: every request ` +
        `fails with an I/O error until it does. If it has lost its memory for good: ${REMEDY}`,
    );
  }

  onEnded(error: Error): void {
    const sentence = `The connection to the ${this.#peer} is over: ${error.message}`;
    this.end = new DriverError('ERR_OXMEM_CONNECTION_ENDED', sentence, error);
    this.#resolve(this.end);
  }

  #effect(): string {
    return this.#whenLost === 'fail' ? 'fail with an I/O error' : 'wait';
  }
}

const WHY: Readonly<Record<NoReturn, string>> = {
  'not wanted': '--endpoint-restarted=fail says so',
  'no proof possible': 'nothing was read or written yet by which it could prove what it holds',
  'second Open not understood':
    'an endpoint of this kind takes a second Open for a repetition of the first',
};
const REMEDY =
  'release the devices, start oxmem-bdev again, and check or make anew what was on them';
