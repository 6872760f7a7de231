import { writeFileSync } from 'node:fs';

import { formatAddress, formatMac } from '@oxmem/tloe-protocol/text';

import type { Options } from '../cli/options.ts';
import { composeDriver, type Driver, type DriverPorts } from '../compose.ts';
import { describeSilence, silenceFacts } from '../endpoint/silence.ts';
import { DriverError, systemCode } from '../errors.ts';
import { formatListenAddress } from '../server/listen-address.ts';
import { logSummary } from '../observe/summary.ts';
import { notifyReady } from './service-manager.ts';
import { shutDown } from './shutdown.ts';
import type { StopRequest } from './stop-request.ts';

/**
 * The life of a driver: compose, open the connection, serve, until somebody asks it to stop or the
 * connection ends; then shut down in good order. Resolves when all is released.
 *
 * @throws DriverError why it could not start or go on, after everything has been released
 */
export async function runDriver(
  options: Options,
  ports: DriverPorts,
  stop: StopRequest,
): Promise<void> {
  const driver = await composeDriver(options, ports);
  let hasFailed = true;
  try {
    await live(driver, options, ports, stop);
    hasFailed = false;
  } finally {
    // Where no connection was ever open and nobody asked, there is nothing to announce.
    const isAnnounced = !hasFailed || driver.memory.link.state !== 'opening';
    await endDriver(driver, options, ports, isAnnounced);
  }
}

/** From the opening to the end; returns when asked to stop. */
async function live(
  driver: Driver,
  options: Options,
  ports: DriverPorts,
  stop: StopRequest,
): Promise<void> {
  const opening = open(driver, options, ports);
  await Promise.race([opening, stop.requested]);
  // What comes of an opening that nobody waits for does not matter.
  opening.catch(() => undefined);
  if (stop.isRequested) return;
  if (options.listen === undefined) {
    throw new DriverError(
      'ERR_OXMEM_NO_DEVICE',
      'This version attaches no kernel device yet; export the memory on a socket with ' +
        '--listen=unix:PATH.',
    );
  }
  const address = await driver.server.listen(options.listen);
  if (address.kind === 'unix') ports.leftovers.add(address.path);
  driver.wasReady = true;
  await announce(formatListenAddress(address), options, ports);
  const end = await Promise.race([stop.requested, driver.watch.ended]);
  if (end !== undefined) throw end;
}

async function open(driver: Driver, options: Options, ports: DriverPorts): Promise<void> {
  const { memory, socket, watch } = driver;
  const result = await memory.open(options.openTimeout);
  if (!result.isOpen) {
    if (watch.end !== undefined) throw watch.end;
    const given = {
      netdev: options.netdev,
      peerMac: options.mac,
      timeoutMicros: options.openTimeout,
    };
    const facts = silenceFacts(given, memory, socket, ports.binding);
    throw new DriverError('ERR_OXMEM_ENDPOINT_SILENT', describeSilence(facts));
  }
  // From here on the kernel keeps other senders' frames to itself.
  socket.setPeerMac(options.mac);
  const { name, description } = result.profile;
  ports.logger.info(`connected to ${formatMac(options.mac)}, profile ${name}: ${description}`);
}

/** Ready: the line, the service manager, the pid file, in this order. */
async function announce(place: string, options: Options, ports: DriverPorts): Promise<void> {
  const where = `${formatAddress(options.base)} on ${formatMac(options.mac)}`;
  ports.print(`ready: ${place} ${options.size} bytes at ${where} via ${options.netdev}`);
  const problem = await notifyReady(ports.environment);
  if (problem !== undefined) ports.logger.warn(problem);
  if (options.pidFile === undefined) return;
  try {
    writeFileSync(options.pidFile, `${process.pid}\n`);
  } catch (thrown) {
    throw new DriverError(
      'ERR_OXMEM_FILE',
      `--pid-file: "${options.pidFile}" cannot be written (${systemCode(thrown) ?? 'unknown'}); ` +
        'name a file in a folder of yours.',
      thrown,
    );
  }
  ports.leftovers.add(options.pidFile);
}

async function endDriver(
  driver: Driver,
  options: Options,
  ports: DriverPorts,
  isAnnounced: boolean,
): Promise<void> {
  const { memory, server, capture } = driver;
  const parts = {
    server: {
      stop: async (grace: number) => {
        await server.stop(grace);
        // Closing has removed the socket's file; what may stand there now is somebody else's.
        if (options.listen?.kind === 'unix') ports.leftovers.forget(options.listen.path);
      },
    },
    link: memory,
    closeTimeoutMicros: memory.link.config.closeTimeoutMicros,
    release: async () => {
      await capture?.close();
      ports.leftovers.removeAll();
    },
  };
  await shutDown(parts, isAnnounced ? ports.print : () => {});
  // A driver that never served says one sentence, why.
  if (driver.wasReady) logSummary(ports.logger, driver);
}
