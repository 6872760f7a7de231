import type { IncomingMessage, Server, ServerResponse } from 'node:http';

import type { HostPort } from '../text/host-port.ts';

/** What a metrics server tells. */
export interface MetricsServerOptions {
  /** Port 0 takes a free one. */
  readonly address: HostPort;
  /** For `/metrics`: what Prometheus reads. */
  readonly metrics: () => string;
  /** For `/healthz`: why all is not well in a sentence; undefined: all is well. */
  readonly illness: () => string | undefined;
}

/**
 * HTTP for a monitoring system: `/metrics`, and `/healthz` with 200 or 503. Reads nothing but the
 * first line of a request, keeps few connections, and does not keep the program from ending.
 */
export class MetricsServer {
  readonly #server: Server;
  /** Where it listens: with port 0, the port that it got. */
  readonly address: HostPort;

  private constructor(server: Server, address: HostPort) {
    this.#server = server;
    this.address = address;
  }

  /** @throws Error of the system when it cannot listen there */
  static async open(options: MetricsServerOptions): Promise<MetricsServer> {
    // Programs that are not asked for metrics do not pay for HTTP.
    const { createServer } = await import('node:http');
    const limits = { requestTimeout: 5_000, headersTimeout: 5_000, keepAliveTimeout: 20_000 };
    const server = createServer({ ...limits, maxHeaderSize: 8_192 }, (request, response) =>
      answer(options, request, response),
    );
    server.maxConnections = MAX_CONNECTIONS;
    const { host, port } = options.address;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    // Out of file descriptors, for instance: nobody is served for a while, and that is all.
    server.on('error', () => {});
    server.unref();
    const bound = server.address();
    const isBound = typeof bound === 'object' && bound !== null;
    return new MetricsServer(server, { host, port: isBound ? bound.port : port });
  }

  /** Ends it at once, with all connections. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

function answer(
  { metrics, illness }: MetricsServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const path = request.url?.split('?')[0];
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    reply(response, 405, 'Only GET is answered here.\n');
  } else if (path === '/metrics') {
    response.setHeader('Content-Type', 'text/plain; version=0.0.4; charset=utf-8');
    reply(response, 200, metrics());
  } else if (path === '/healthz') {
    const reason = illness();
    reply(response, reason === undefined ? 200 : 503, `${reason ?? 'ok'}\n`);
  } else {
    reply(response, 404, 'There are /metrics and /healthz.\n');
  }
}

function reply(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status;
  if (!response.hasHeader('Content-Type')) {
    response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  }
  response.end(text);
}

const MAX_CONNECTIONS = 32;
