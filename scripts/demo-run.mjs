/**
 * The demo inside its own network: a memory endpoint and the driver in two network namespaces, a
 * veth pair between them, and a workload over the driver's export. Called by demo.mjs.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DemoChild } from './demo-child.mjs';
import { DemoNbdClient } from './demo-nbd-client.mjs';
import { formatTable } from './demo-report.mjs';
import { runWorkload } from './demo-workload.mjs';
import { openVethLab } from './netns.mjs';
import { repositoryRoot } from './repository.mjs';

const memorySize = '256M';
const orphanCheckMs = 1_000;

/**
 * @param {{ isKept: boolean }} options
 * @returns {Promise<number>} exit code
 */
export async function runDemo({ isKept }) {
  const interrupted = watchInterruption();
  const folder = mkdtempSync(join(tmpdir(), 'oxmem-demo-'));
  /** @type {(() => Promise<unknown>)[]} what to undo, in this order */
  const undo = [async () => rmSync(folder, { recursive: true, force: true })];
  try {
    await demonstrate({ folder, undo, isKept, interrupted });
    return 0;
  } catch (error) {
    if (interrupted.signal.aborted) console.error('\nInterrupted; everything is taken down.');
    else console.error(`\nThe demo failed: ${describe(error)}`);
    return interrupted.signal.aborted ? 130 : 1;
  } finally {
    for (const step of undo) await step().catch(() => undefined);
    interrupted.close();
  }
}

/**
 * @param {{ folder: string, undo: (() => Promise<unknown>)[], isKept: boolean,
 *   interrupted: Interruption }} context
 */
async function demonstrate({ folder, undo, isKept, interrupted }) {
  const { signal } = interrupted;
  const lab = await openVethLab();
  undo.unshift(() => lab.close());

  const endpointArgs = [`--netdev=${lab.peer.name}`, `--size=${memorySize}`];
  const endpoint = new DemoChild(
    'oxmem-sim-endpoint',
    lab.peerArgv([command('oxmem-sim-endpoint'), ...endpointArgs]),
  );
  undo.unshift(() => endpoint.stop());
  console.log(await untilAborted(endpoint.ready(), signal));

  const socket = join(folder, 'oxmem.sock');
  const driver = new DemoChild('oxmem-bdev', [
    command('oxmem-bdev'),
    `--netdev=${lab.local.name}`,
    `--mac=${lab.peer.mac}`,
    `--size=${memorySize}`,
    `--listen=unix:${socket}`,
  ]);
  undo.unshift(() => driver.stop());
  console.log(await untilAborted(driver.ready(), signal));
  console.log(describeKernel());

  const client = await DemoNbdClient.connect(socket);
  undo.unshift(async () => client.destroy());
  const broken = Promise.race([driver.endedEarly(), endpoint.endedEarly()]);
  broken.catch(() => undefined);
  const measurements = await untilAborted(
    Promise.race([runWorkload(client, signal), broken]),
    signal,
  );
  client.close();
  console.log(`\n${formatTable(measurements)}\n`);

  if (isKept) {
    printHowToUse(socket);
    await Promise.race([interrupted.requested, broken]);
  }
  const code = await driver.stop();
  if (code !== 0 || !driver.output.includes('Disconnect packet sent successfully')) {
    throw driver.failure(`did not shut down in good order (exit code ${code})`);
  }
  if (!isKept) console.log('Everything that was written came back as it was.');
}

/** @param {unknown} error */
function describe(error) {
  return error instanceof Error ? error.message : String(error);
}

/** @param {string} name */
function command(name) {
  return join(repositoryRoot, 'node_modules', '.bin', name);
}

function describeKernel() {
  const hasNbd = existsSync('/sys/module/nbd') || existsSync('/dev/nbd0');
  return hasNbd
    ? 'This version exports an NBD socket; it does not attach the kernel device yet.'
    : 'This kernel has no nbd device; the memory is exported on an NBD socket.';
}

/** @param {string} socket */
function printHowToUse(socket) {
  const uri = `nbd+unix:///?socket=${socket}`;
  console.log(`The memory stays exported until you press Ctrl-C or run: kill ${process.pid}

  nbdinfo '${uri}'
  nbdcopy FILE '${uri}'
  qemu-img info '${uri}'
  qemu-io -f raw -c 'write -P 0x5a 0 1M' -c 'read -P 0x5a 0 1M' '${uri}'
`);
}

/**
 * @typedef {object} Interruption
 * @property {AbortSignal} signal
 * @property {Promise<void>} requested
 * @property {() => void} close
 */

/**
 * Ctrl-C, a kill, the death of the process that started us, or of the one that reads what we say.
 *
 * @returns {Interruption}
 */
function watchInterruption() {
  const controller = new AbortController();
  const abort = () => controller.abort(new Error('interrupted'));
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid !== parent) abort();
  }, orphanCheckMs);
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, abort);
  // `npm run demo | head`: nobody reads any more.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', abort);
  /** @type {Promise<void>} */
  const requested = new Promise((resolve) => {
    controller.signal.addEventListener('abort', () => resolve());
  });
  return { signal: controller.signal, requested, close: () => clearInterval(timer) };
}

/**
 * @template T
 * @param {Promise<T>} work
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
function untilAborted(work, signal) {
  work.catch(() => undefined);
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
    work.then(resolve, reject);
  });
}
