/**
 * A process of its own that makes load, driven by messages of its parent: first how to connect, then
 * one row after the other. It ends with its parent, or when told.
 *
 * @typedef {object} ConnectOrder
 * @property {'link' | 'memory'} path
 * @property {number} sizeBytes of the memory
 * @property {string} [netdev] link: interface
 * @property {string} [peerMac] link: address of the endpoint
 * @property {number} busyPollMicros link
 * @property {number} mtuBytes memory
 * @property {number} maxRequestBytes largest TileLink access
 *
 * @typedef {object} RowOrder
 * @property {import('./load-run.mjs').Workload} workload
 * @property {number} seconds
 * @property {number} warmUpSeconds
 * @property {Record<string, number>} pids processes whose CPU time is wanted, by role
 */
import { fillAll, LoadRun, verifyAll } from './load-run.mjs';
import { connectLink, connectMemory } from './initiator-connection.mjs';
import { TestPattern } from './test-pattern.mjs';

/** @typedef {import('./load-run.mjs').LoadPort & { close(): Promise<unknown> }} Connection */

/** @type {{ order: ConnectOrder, port: Connection } | undefined} */
let connection;

/** @param {ConnectOrder} order */
async function connect(order) {
  const pattern = new TestPattern(order.sizeBytes);
  const open = order.path === 'link' ? connectLink : connectMemory;
  const port = await open(order, pattern);
  connection = { order, port };
  await fillAll(port, order.sizeBytes);
  await verifyAll(port, order.sizeBytes);
}

/** @param {RowOrder} order */
async function runRow({ workload, seconds, warmUpSeconds, pids }) {
  if (connection === undefined) throw new Error('a row before the connection');
  const { port } = connection;
  const { sizeBytes, netdev } = connection.order;
  const limits = {
    sizeBytes,
    seconds,
    warmUpSeconds,
    netdev,
    pids: { ...pids, driver: process.pid },
  };
  const result = await new LoadRun(port, workload, limits).run();
  // A write is worth nothing if it cannot be read back.
  if (workload.kind === 'write') await verifyAll(port, sizeBytes);
  return result;
}

/** @param {{ connect?: ConnectOrder, row?: RowOrder, close?: true }} order */
async function obey(order) {
  if (order.connect !== undefined) return connect(order.connect);
  if (order.row !== undefined) return runRow(order.row);
  await connection?.port.close();
  process.disconnect();
}

process.on('message', (message) => {
  const order = /** @type {Parameters<typeof obey>[0]} */ (message);
  obey(order).then(
    (result) => process.connected && process.send?.({ result }),
    (error) => process.connected && process.send?.({ failure: String(error?.message ?? error) }),
  );
});
process.on('disconnect', () => process.exit());
