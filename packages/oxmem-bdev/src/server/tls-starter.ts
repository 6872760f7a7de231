import type { Socket } from 'node:net';
import type { Server, TLSSocket } from 'node:tls';

import type { TlsCredentials } from './tls-credentials.ts';

/** How an attempt to start TLS ended. */
export type TlsOutcome =
  | { readonly secured: TLSSocket; readonly problem?: undefined }
  /** Why not, in a few words; the socket is closed or about to be. */
  | { readonly secured: undefined; readonly problem: string };

/**
 * Puts TLS over sockets that talk in plain until then, as NBD's STARTTLS has it. Clients must show a
 * certificate if there is an authority to check it by.
 *
 * A server of `node:tls` that does not listen does the work: it alone checks a client's certificate
 * by documented means. It does not say which socket an event is about, so each has one at a time;
 * there are never more of them than clients in the middle of this.
 */
export class TlsStarter {
  readonly #credentials: TlsCredentials;
  readonly #idle: Server[] = [];

  constructor(credentials: TlsCredentials) {
    this.#credentials = credentials;
  }

  /**
   * Awaits a client's TLS handshake. The caller limits its time by destroying `plain`.
   *
   * @param plain   not to be read from or written to any more
   * @param onDone  called once
   */
  start(plain: Socket, onDone: (outcome: TlsOutcome) => void): void {
    const server = this.#idle.pop() ?? this.#createServer();
    const end = (outcome: TlsOutcome): void => {
      server.removeAllListeners('secureConnection');
      server.removeAllListeners('tlsClientError');
      this.#idle.push(server);
      onDone(outcome);
    };
    server.once('secureConnection', (secured) => end(this.#judge(secured)));
    server.once('tlsClientError', (error: Error & { readonly reason?: string }) => {
      end({ secured: undefined, problem: error.reason ?? error.message });
    });
    server.emit('connection', plain);
  }

  /** Whether the client may come in. Left to `node:tls`, its log would not say why not. */
  #judge(secured: TLSSocket): TlsOutcome {
    if (this.#credentials.ca === undefined || secured.authorized) return { secured };
    // The type says Error; what stands there is a code of OpenSSL.
    const code = String(secured.authorizationError);
    secured.on('error', () => {}).destroy();
    return { secured: undefined, problem: `the client's certificate is missing or bad (${code})` };
  }

  #createServer(): Server {
    const { cert, key, ca } = this.#credentials;
    const isClientChecked = ca !== undefined;
    // Loaded by now only if TLS was asked for: it is the largest part of Node that we use.
    const { createServer } = process.getBuiltinModule('node:tls');
    return createServer({
      cert,
      key,
      ...(isClientChecked && { ca }),
      requestCert: isClientChecked,
      rejectUnauthorized: false,
      pauseOnConnect: true,
    });
  }
}
