/**
 * The demo inside its own network: a memory endpoint and the driver in two network namespaces, a
 * veth pair between them, and a workload over the driver's export. Called by demo.mjs.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DemoChild } from './demo-child.mjs';
import { DemoDeviceClient } from './demo-device-client.mjs';
import { DemoNbdClient } from './demo-nbd-client.mjs';
import { formatTable } from './demo-report.mjs';
import { runWorkload } from './demo-workload.mjs';
import { isRealRoot, takeHostKernel } from './kernel-lab/host-kernel.mjs';
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

  const kernel = takeHostKernel();
  if (kernel !== undefined) undo.push(async () => kernel.release());
  const socket = join(folder, 'oxmem.sock');
  const driver = new DemoChild('oxmem-bdev', [
    command('oxmem-bdev'),
    `--netdev=${lab.local.name}`,
    `--mac=${lab.peer.mac}`,
    `--size=${memorySize}`,
    kernel === undefined ? `--listen=unix:${socket}` : '--device=auto',
  ]);
  undo.unshift(() => driver.stop());
  const ready = await untilAborted(driver.ready(), signal);
  console.log(ready);
  const device = /^ready: (\/dev\/nbd\d+) /.exec(ready)?.[1];
  if (device === undefined) console.log(whyNoDevice());

  const client = await (device === undefined
    ? DemoNbdClient.connect(socket)
    : DemoDeviceClient.connect(device));
  let isOpen = true;
  const close = async () => {
    if (isOpen) await client.close();
    isOpen = false;
  };
  undo.unshift(close);
  const broken = Promise.race([driver.endedEarly(), endpoint.endedEarly()]);
  broken.catch(() => undefined);
  const measurements = await untilAborted(
    Promise.race([runWorkload(client, signal), broken]),
    signal,
  );
  await close();
  console.log(`\n${formatTable(measurements)}\n`);

  if (isKept) {
    console.log(device === undefined ? howToUseSocket(socket) : howToUseDevice(device));
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

function whyNoDevice() {
  return isRealRoot()
    ? 'This kernel has no nbd device; the memory is exported on an NBD socket.'
    : 'Only root can attach a block device; the memory is exported on an NBD socket.';
}

/** @param {string} device */
function howToUseDevice(device) {
  return `The device stays until you press Ctrl-C or run: kill ${process.pid}

  lsblk ${device}
  sudo mkfs.ext4 ${device}
  sudo mount ${device} /mnt
  sudo umount /mnt
`;
}

/** @param {string} socket */
function howToUseSocket(socket) {
  const uri = `nbd+unix:///?socket=${socket}`;
  return `The memory stays exported until you press Ctrl-C or run: kill ${process.pid}

  nbdinfo '${uri}'
  nbdcopy FILE '${uri}'
  qemu-img info '${uri}'
  qemu-io -f raw -c 'write -P 0x5a 0 1M' -c 'read -P 0x5a 0 1M' '${uri}'
`;
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
