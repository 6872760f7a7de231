import { createServer, type Server } from 'node:net';

import { formatMac } from '@oxmem/tloe-protocol/text';

import type { Options } from '../cli/options.ts';
import { DriverError, systemCode } from '../errors.ts';

/**
 * Two drivers with the same addresses would take each other's frames, so the second one is turned
 * away. The mark is an abstract unix socket: it is seen in this network namespace only, as the
 * interface is, and it ends with the process.
 *
 * @throws DriverError ERR_OXMEM_ENDPOINT_TAKEN
 */
export async function claimEndpoint(options: Pick<Options, 'netdev' | 'mac'>): Promise<void> {
  const { netdev } = options;
  const mac = formatMac(options.mac);
  const server = createServer((socket) => socket.destroy());
  try {
    await listenAt(server, `\0oxmem-bdev ${netdev} ${mac}`);
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

function listenAt(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path }, resolve);
  });
}
