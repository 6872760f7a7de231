import { createServer, type Server, type Socket } from 'node:net';

import { formatMac } from '@oxmem/tloe-protocol/text';

import type { Options } from '../cli/options.ts';
import { DriverError, systemCode } from '../errors.ts';

/**
 * Two drivers with the same addresses would take each other's frames, so the second one is turned
 * away. The mark is an abstract unix socket: it is seen in this network namespace only, as the
 * interface is, and it ends with the process. Whoever connects to it is told how the driver fares.
 *
 * @param tell  makes what they are told; undefined: they are told nothing
 * @throws DriverError ERR_OXMEM_ENDPOINT_TAKEN
 */
export async function claimEndpoint(
  options: Pick<Options, 'netdev' | 'mac'>,
  tell: () => Promise<string> | undefined = () => undefined,
): Promise<void> {
  const { netdev } = options;
  const mac = formatMac(options.mac);
  const server = createServer((socket) => void answer(socket, tell()));
  server.maxConnections = MAX_ASKING;
  try {
    await listenAt(server, `\0${CLAIM_PREFIX}${netdev} ${mac}`);
  } catch (thrown) {
    // Without such sockets there is nothing to be sure of, and no reason to stop anybody.
    if (systemCode(thrown) !== 'EADDRINUSE') return;
    throw new DriverError(
      'ERR_OXMEM_ENDPOINT_TAKEN',
      `Another oxmem-bdev talks to ${mac} through ${netdev} already: stop it first ` +
        '(`oxmem-bdev status` shows those with devices), or use another interface; for several ' +
        'devices on one endpoint use --num.',
      thrown,
    );
  }
  server.unref();
}

async function answer(socket: Socket, telling: Promise<string> | undefined): Promise<void> {
  // Who asks and leaves, or does not read, is nobody's concern.
  socket.on('error', () => {});
  socket.setTimeout(ASKING_MILLIS, () => socket.destroy());
  socket.unref();
  try {
    if (telling === undefined) socket.destroy();
    else socket.end(await telling);
  } catch {
    socket.destroy();
  }
}

function listenAt(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path }, resolve);
  });
}

/** What the names of all claims begin with. */
export const CLAIM_PREFIX = 'oxmem-bdev ';
const MAX_ASKING = 16;
const ASKING_MILLIS = 2_000;
