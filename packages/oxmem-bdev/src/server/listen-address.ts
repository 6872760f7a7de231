import { formatHostPort, parseHostPort } from '@oxmem/tloe-protocol/text';

/** Where an export listens. */
export type ListenAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/**
 * Reads `unix:PATH` or `tcp:HOST:PORT`; an IPv6 address stands in brackets, port 0 takes a free
 * one.
 *
 * @returns undefined for anything else
 */
export function parseListenAddress(text: string): ListenAddress | undefined {
  if (text.startsWith('unix:')) return parseUnix(text.slice('unix:'.length));
  const place = text.startsWith('tcp:') ? parseHostPort(text.slice('tcp:'.length)) : undefined;
  return place === undefined ? undefined : { kind: 'tcp', ...place };
}

/** The address as `parseListenAddress` reads it. */
export function formatListenAddress(address: ListenAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return `tcp:${formatHostPort(address)}`;
}

/** Whether only programs of this machine can connect. */
export function isOfThisMachine(address: ListenAddress): boolean {
  return address.kind === 'unix' || /^(localhost|127(\.\d+){3}|::1)$/.test(address.host);
}

function parseUnix(path: string): ListenAddress | undefined {
  const length = new TextEncoder().encode(path).length;
  if (length === 0 || length > MAX_UNIX_PATH_BYTES || path.includes('\0')) return undefined;
  return { kind: 'unix', path };
}

/** What fits into a socket address of Linux with its closing NUL. */
const MAX_UNIX_PATH_BYTES = 107;
