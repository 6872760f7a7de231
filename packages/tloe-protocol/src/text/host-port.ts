import { parseInteger } from './integer.ts';

/** Where a TCP server listens. */
export interface HostPort {
  /** A name, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string;
  /** 0 .. 65535; 0 takes a free one. */
  readonly port: number;
}

/**
 * Reads `HOST:PORT`; an IPv6 address stands in brackets.
 *
 * @returns undefined for anything else
 */
export function parseHostPort(text: string): HostPort | undefined {
  const match = HOST_PORT.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = parseInteger(match?.[3] ?? '', { min: 0, max: 65535 });
  return host === undefined || port === undefined ? undefined : { host, port };
}

/** The address as `parseHostPort` reads it. */
export function formatHostPort({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Reads `HOST:PORT`, or `PORT` or `:PORT`, which only this machine can reach. */
export function parseLocalHostPort(text: string): HostPort | undefined {
  return parseHostPort(/^:?\d+$/.test(text) ? `127.0.0.1:${text.replace(':', '')}` : text);
}

const HOST_PORT = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^:[\]\s]+)):(\d{1,5})$/;
