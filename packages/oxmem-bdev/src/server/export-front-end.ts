import type { Micros } from '@oxmem/tloe-protocol';

import type { FrontEnd, ReadyPlace } from '../runtime/front-end.ts';
import type { LeftoverFiles } from '../runtime/leftover-files.ts';
import { formatListenAddress, type ListenAddress } from './listen-address.ts';
import type { NbdServer } from './nbd-server.ts';

/** What is exported, and where. */
export interface ExportOptions {
  readonly listen: ListenAddress;
  /** Bytes, of all exports together. */
  readonly size: number;
}

/** The memory as an NBD export on a socket. Clients come and go; it does not end by itself. */
export class ExportFrontEnd implements FrontEnd {
  readonly ended: Promise<undefined> = new Promise(() => {});
  /** A socket's clients connect again by themselves, or not at all. */
  readonly canHandOver = false;
  readonly #server: NbdServer;
  readonly #options: ExportOptions;
  readonly #leftovers: LeftoverFiles;
  #address: ListenAddress | undefined = undefined;

  constructor(server: NbdServer, options: ExportOptions, leftovers: LeftoverFiles) {
    this.#server = server;
    this.#options = options;
    this.#leftovers = leftovers;
  }

  async start(): Promise<readonly ReadyPlace[]> {
    const { listen, size } = this.#options;
    this.#address = await this.#server.listen(listen);
    if (this.#address.kind === 'unix') this.#leftovers.add(this.#address.path);
    const name = formatListenAddress(this.#address);
    return [{ name, sizeBytes: size, firstByte: 0 }];
  }

  /** Clients see the end of their connection, as with any server. */
  describeUsers(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  handOver(): Promise<void> {
    return Promise.reject(new Error('a socket is not handed over'));
  }

  async stop(graceMicros: Micros): Promise<void> {
    await this.#server.stop(graceMicros);
    // Closing has removed the socket's file; what may stand there now is somebody else's.
    if (this.#address?.kind === 'unix') this.#leftovers.forget(this.#address.path);
  }
}
