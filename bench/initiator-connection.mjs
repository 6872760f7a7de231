import { RawSocket } from '@oxmem/rawsock';
import { createMemoryEndpoint } from '@oxmem/sim-endpoint';
import {
  ADDRESS_ZERO,
  DEFAULT_ETHER_TYPE,
  DEFAULT_REISSUE_POLICY,
  RemoteMemory,
  SECOND,
  parseMac,
} from '@oxmem/tloe-protocol';
import { SystemClock } from '@oxmem/tloe-protocol/node';
import { InitiatorClient } from './initiator-client.mjs';

/** @typedef {import('./load-process.mjs').ConnectOrder} ConnectOrder */
/** @typedef {import('./load-process.mjs').Connection} Connection */
/** @typedef {import('./test-pattern.mjs').TestPattern} TestPattern */

/** What a client must have room for: the largest of all workloads, and the passes over all. */
const MOST_IN_FLIGHT = { depth: 32, requestBytes: 128 * 1024 };
/** Accesses in flight; what the driver takes unless told. */
const WINDOW = 256;

/**
 * An initiator on the raw socket of an interface: the driver without its NBD side.
 *
 * @param {ConnectOrder} order
 * @param {TestPattern} pattern
 * @returns {Promise<Connection>}
 */
export async function connectLink(order, pattern) {
  const peerMac = parseMac(order.peerMac ?? '');
  if (peerMac === undefined) throw new Error(`${order.peerMac} is no MAC address`);
  const socket = RawSocket.open({
    interfaceName: order.netdev ?? '',
    etherType: DEFAULT_ETHER_TYPE,
    peerMac,
    busyPollMicros: order.busyPollMicros,
    requireUp: true,
  });
  const ports = { transport: socket, clock: new SystemClock() };
  return openInitiator(order, pattern, { peerMac, ports });
}

/**
 * An initiator and an endpoint in this process, joined in memory.
 *
 * @param {ConnectOrder} order
 * @param {TestPattern} pattern
 * @returns {Promise<Connection>}
 */
export async function connectMemory(order, pattern) {
  const { sizeBytes, mtuBytes } = order;
  const endpoint = createMemoryEndpoint({ sizeBytes, mtuBytes });
  const { transport, clock, endpointMac } = endpoint;
  const place = { peerMac: endpointMac, ports: { transport, clock } };
  const connection = await openInitiator(order, pattern, place);
  const closeInitiator = connection.close.bind(connection);
  return Object.assign(connection, {
    close: async () => {
      await closeInitiator();
      endpoint.close();
    },
  });
}

/**
 * @param {ConnectOrder} order
 * @param {TestPattern} pattern
 * @param {{ peerMac: Uint8Array, ports: ConstructorParameters<typeof RemoteMemory>[1] }} place
 * @returns {Promise<Connection>}
 */
async function openInitiator(order, pattern, { peerMac, ports }) {
  const initiator = {
    base: ADDRESS_ZERO,
    sizeBytes: order.sizeBytes,
    dataOrder: /** @type {const} */ ('raw'),
    window: WINDOW,
    maxAccessLog2: Math.log2(order.maxRequestBytes),
    reissue: DEFAULT_REISSUE_POLICY,
    firstSource: 0,
  };
  const memory = new RemoteMemory({ peerMac, initiator }, ports, {
    onLost: () => console.error('the endpoint is silent'),
    onRecovered: () => console.error('the endpoint is back'),
    onEnded: (error) => console.error(`the connection ended: ${error?.message ?? 'by the peer'}`),
  });
  const opened = await memory.open(5 * SECOND);
  if (!opened.isOpen) throw new Error('the endpoint does not answer');
  const client = new InitiatorClient(memory, pattern, MOST_IN_FLIGHT);
  return Object.assign(client, { close: () => memory.close() });
}
