import type { Server, Socket } from 'node:net';

import {
  DEFAULT_LIMITS,
  HANDSHAKE_TIME_LIMIT_MS,
  type ConnectionLimits,
  type ExportTable,
} from '@oxmem/nbd-protocol';
import { MILLISECOND, type Clock, type Micros } from '@oxmem/tloe-protocol';

import type { Logger } from '../observe/logger.ts';
import { ClientConnection, type ConnectionEnd } from './client-connection.ts';
import type { OpenClientStream } from './client-stream.ts';
import { formatListenAddress, isOfThisMachine, type ListenAddress } from './listen-address.ts';
import { openClientStream } from './open-client-stream.ts';
import { boundAddress, openServerSocket } from './server-socket.ts';
import type { TlsCredentials } from './tls-credentials.ts';
import { TlsClientStream } from './tls-client-stream.ts';
import { TlsStarter } from './tls-starter.ts';

/** Clients that are served at a time. */
export const MAX_CONNECTIONS = 16;
/** Requests of all clients that can be with the device at a time. */
export const MAX_REQUESTS: number = MAX_CONNECTIONS * DEFAULT_LIMITS.requests;

/** What a server serves, and its surroundings. */
export interface NbdServerOptions {
  readonly exports: ExportTable;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default `MAX_CONNECTIONS`. */
  readonly maxConnections?: number;
  /** Time for a handshake. Default 10 s. */
  readonly handshakeMicros?: Micros;
  readonly limits?: Partial<ConnectionLimits>;
  /** Clients must start TLS before they may ask for anything; undefined: they cannot. */
  readonly tls?: TlsCredentials | undefined;
  /** Default `openClientStream`; not used with TLS. */
  readonly openStream?: OpenClientStream;
}

/**
 * The export on a socket: accepts clients, each an `NbdConnection` of its own, all on the same
 * exports. A client that breaks the protocol, stalls or vanishes ends alone.
 */
export class NbdServer {
  readonly #options: NbdServerOptions;
  readonly #maxConnections: number;
  readonly #openStream: OpenClientStream;
  readonly #connections = new Set<ClientConnection>();
  #server: Server | undefined = undefined;
  #clientCount = 0;
  #hasRefused = false;
  #onEmpty: (() => void) | undefined = undefined;

  constructor(options: NbdServerOptions) {
    this.#options = options;
    this.#maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
    const { tls, openStream = openClientStream } = options;
    const starter = tls && new TlsStarter(tls);
    this.#openStream = starter ? (socket) => new TlsClientStream(socket, starter) : openStream;
  }

  /** Clients connected, those included whose last requests are still with the device. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /**
   * Starts to accept clients.
   *
   * @returns the address that clients can use
   * @throws DriverError ERR_OXMEM_LISTEN_BUSY, ERR_OXMEM_LISTEN_PERMISSION, ERR_OXMEM_LISTEN
   */
  async listen(address: ListenAddress): Promise<ListenAddress> {
    this.#server = await openServerSocket(address, (socket) => this.#accept(socket));
    // Out of file descriptors, for instance; those who are connected are served on.
    this.#server.on('error', (error) => {
      this.#options.logger.warn(`a client could not be accepted: ${error.message}`);
    });
    const bound = boundAddress(this.#server, address);
    if (!isOfThisMachine(bound) && this.#options.tls?.ca === undefined) {
      this.#options.logger.warn(
        `whoever reaches ${formatListenAddress(bound)} has the whole memory: ask clients for ` +
          'certificates (--tls-ca), or listen on 127.0.0.1',
      );
    }
    return bound;
  }

  /**
   * Stops: accepts nobody any more, takes no more requests, lets those in flight finish and be
   * answered, but not longer than `graceMicros`. A unix socket is gone from its folder afterwards.
   */
  async stop(graceMicros: Micros): Promise<void> {
    const closed = this.#closeListener();
    for (const connection of this.#connections) connection.shutdown();
    await this.#emptyWithin(graceMicros);
    for (const connection of this.#connections) connection.abort('the server has stopped');
    await closed;
  }

  #closeListener(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return Promise.resolve();
    return new Promise((resolve) => server.close(() => resolve()));
  }

  #emptyWithin(graceMicros: Micros): Promise<void> {
    if (this.#connections.size === 0 || graceMicros === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const alarm = this.#options.clock.createAlarm(() => this.#onEmpty?.());
      this.#onEmpty = () => {
        this.#onEmpty = undefined;
        alarm.close();
        resolve();
      };
      alarm.arm(this.#options.clock.now() + graceMicros);
    });
  }

  #accept(socket: Socket): void {
    const { logger } = this.#options;
    if (this.#connections.size >= this.#maxConnections) {
      socket.destroy();
      if (!this.#hasRefused) logger.warn(`refused a client: ${this.#maxConnections} are connected`);
      this.#hasRefused = true;
      return;
    }
    const number = ++this.#clientCount;
    logger.debug(`client ${number} connected`);
    const { exports, clock, limits } = this.#options;
    const handshakeMicros = this.#options.handshakeMicros ?? HANDSHAKE_TIME_LIMIT_MS * MILLISECOND;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MILLIS);
    const connection = new ClientConnection(
      this.#openStream(socket),
      { exports, clock, handshakeMicros, limits, isTls: this.#options.tls !== undefined },
      (end) => {
        this.#connections.delete(connection);
        this.#hasRefused = false;
        this.#logEnd(number, end);
        if (this.#connections.size === 0) this.#onEmpty?.();
      },
    );
    this.#connections.add(connection);
  }

  #logEnd(number: number, { text, isOrdinary }: ConnectionEnd): void {
    this.#options.logger[isOrdinary ? 'debug' : 'warn'](`client ${number} closed: ${text}`);
  }
}

const KEEP_ALIVE_MILLIS = 60_000;
