import type { Micros, RemoteMemoryObserver } from '@oxmem/tloe-protocol';
import { formatMac } from '@oxmem/tloe-protocol/text';

import { DriverError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';

/** Follows the fate of the connection to the endpoint: logs it, and tells when it is over. */
export class ConnectionWatch implements RemoteMemoryObserver {
  /** Resolves when the connection has ended by itself: nothing will work any more. */
  readonly ended: Promise<DriverError>;
  /** The same, to look at. */
  end: DriverError | undefined = undefined;
  readonly #logger: Logger;
  readonly #peer: string;
  readonly #whenLost: 'fail' | 'wait';
  #resolve: (end: DriverError) => void = () => {};

  constructor(logger: Logger, peerMac: Uint8Array, whenLost: 'fail' | 'wait') {
    this.#logger = logger;
    this.#peer = formatMac(peerMac);
    this.#whenLost = whenLost;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  onLost(silentMicros: Micros): void {
    const seconds = (silentMicros / 1e6).toFixed(1);
    const effect = this.#whenLost === 'fail' ? 'fail with an I/O error' : 'wait';
    this.#logger.error(
      `endpoint ${this.#peer} has been silent for ${seconds} s: requests ${effect} until it answers`,
    );
  }

  onRecovered(): void {
    this.#logger.info(`endpoint ${this.#peer} answers again and still holds the connection`);
  }

  onEnded(error: Error | undefined): void {
    const sentence =
      error === undefined
        ? `The endpoint ${this.#peer} closed the connection; start oxmem-bdev again when it is ` +
          'ready, and do not trust that the memory still holds what was written.'
        : `The connection to ${this.#peer} is over: ${error.message}`;
    this.end = new DriverError('ERR_OXMEM_CONNECTION_ENDED', sentence, error);
    this.#resolve(this.end);
  }
}
