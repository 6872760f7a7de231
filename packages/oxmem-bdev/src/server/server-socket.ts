import { existsSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';

import { DriverError, systemCode } from '../errors.ts';
import { formatListenAddress, type ListenAddress } from './listen-address.ts';

/**
 * Opens a listening socket. A unix socket can be used by its owner only; one that a server has left
 * behind is replaced, one behind which somebody answers is not.
 *
 * @param onConnection  gets every client, paused
 * @throws DriverError ERR_OXMEM_LISTEN_BUSY, ERR_OXMEM_LISTEN_PERMISSION, ERR_OXMEM_LISTEN
 */
export async function openServerSocket(
  address: ListenAddress,
  onConnection: (socket: Socket) => void,
): Promise<Server> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, onConnection);
  try {
    await listen(server, address);
  } catch (thrown) {
    if (address.kind !== 'unix' || systemCode(thrown) !== 'EADDRINUSE') {
      throw listenError(address, thrown);
    }
    await removeStaleSocket(address.path);
    await listen(server, address).catch((again: unknown) => {
      throw listenError(address, again);
    });
  }
  return server;
}

/** Where a listening server listens: with port 0, the port that it got. */
export function boundAddress(server: Server, asked: ListenAddress): ListenAddress {
  if (asked.kind === 'unix') return asked;
  return { ...asked, port: (server.address() as AddressInfo).port };
}

function listen(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(error);
    server.once('error', fail);
    const done = (): void => {
      server.off('error', fail);
      resolve();
    };
    if (address.kind === 'tcp') {
      server.listen({ host: address.host, port: address.port }, done);
      return;
    }
    // Node binds before `listen` returns: nothing else runs under this mask.
    const mask = process.umask(OWNER_ONLY);
    try {
      server.listen(address.path, done);
    } finally {
      process.umask(mask);
    }
  });
}

/** @throws DriverError when the path is somebody's */
async function removeStaleSocket(path: string): Promise<void> {
  const isSocket = lstatSync(path, { throwIfNoEntry: false })?.isSocket() ?? true;
  if (!isSocket) {
    throw new DriverError(
      'ERR_OXMEM_LISTEN',
      `--listen: "${path}" exists and is not a socket; choose another path or remove it.`,
    );
  }
  if (await isAnswered(path)) {
    throw new DriverError(
      'ERR_OXMEM_LISTEN_BUSY',
      `--listen: another server listens at "${path}" (see \`fuser ${path}\`); stop it or choose ` +
        'another path.',
    );
  }
  try {
    unlinkSync(path);
  } catch (thrown) {
    if (systemCode(thrown) !== 'ENOENT') throw listenError({ kind: 'unix', path }, thrown);
  }
}

/** Whether somebody accepts connections there, or at least might: only a refusal says no. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error) => {
      const code = systemCode(error);
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT');
    });
  });
}

/** What a failed `listen` means for a person. */
export function listenError(address: ListenAddress, thrown: unknown): DriverError {
  const place = formatListenAddress(address);
  const code = codeOf(address, thrown);
  switch (code) {
    case 'EADDRINUSE':
      return new DriverError(
        'ERR_OXMEM_LISTEN_BUSY',
        `--listen: ${place} is in use by another program; stop it or choose another place.`,
        thrown,
      );
    case 'EACCES':
    case 'EPERM':
      return new DriverError(
        'ERR_OXMEM_LISTEN_PERMISSION',
        `--listen: ${place} is not permitted; choose a folder that you may write to, or a port ` +
          'above 1023.',
        thrown,
      );
    default:
      return new DriverError(
        'ERR_OXMEM_LISTEN',
        `--listen: ${place} cannot be used (${code}); name a path in an existing folder or an ` +
          'address of this machine.',
        thrown,
      );
  }
}

/** The errno name. For a folder that is not there Node reports EACCES, as if it were forbidden. */
function codeOf(address: ListenAddress, thrown: unknown): string {
  const code = systemCode(thrown) ?? 'an unknown error';
  const isUnix = code === 'EACCES' && address.kind === 'unix';
  return isUnix && !existsSync(dirname(address.path)) ? 'ENOENT' : code;
}

/** Takes everything from group and others, and x from the owner: mode 0600. */
const OWNER_ONLY = 0o177;
