import {
  MILLISECOND,
  addressPlus,
  type Clock,
  type Micros,
  type RemoteAddress,
} from '@oxmem/tloe-protocol';
import { formatAddress, formatMac } from '@oxmem/tloe-protocol/text';

import type { Options } from '../cli/options.ts';
import { composeDriver, type Driver, type DriverPorts } from '../compose.ts';
import { probeRange } from '../endpoint/range-probe.ts';
import { describeSilence, silenceFacts } from '../endpoint/silence.ts';
import { DriverError } from '../errors.ts';
import { dismissPredecessors } from '../kernel/predecessor.ts';
import type { Observation } from '../observe/observation.ts';
import { whileWaiting } from '../observe/waiting.ts';
import { logSummary } from '../observe/summary.ts';
import type { ReadyPlace } from './front-end.ts';
import { checkPlaces, writePidFile } from './place-check.ts';
import type { ServiceManager } from './service-manager.ts';
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
  await checkPlaces(options);
  if (options.takeover) await dismissPredecessors(options, ports);
  let observation: Observation | undefined = undefined as Observation | undefined;
  await ports.claim?.(options, () => observation?.text());
  const driver = await composeDriver(options, ports);
  observation = driver.observation;
  let hasFailed = true;
  try {
    await live(driver, options, ports, stop);
    hasFailed = false;
  } finally {
    // Where no connection was ever open and nobody asked, there is nothing to announce.
    const isAnnounced = !hasFailed || driver.memory.hasBeenOpen;
    await endDriver(driver, ports, { isAnnounced, stop });
  }
}

/** From the opening to the end; returns when asked to stop. */
async function live(
  driver: Driver,
  options: Options,
  ports: DriverPorts,
  stop: StopRequest,
): Promise<void> {
  const { frontEnd, watch, service } = driver;
  const starting = start(driver, options, ports);
  await Promise.race([starting, stop.requested]);
  // What comes of a start that nobody waits for does not matter.
  starting.catch(() => undefined);
  if (stop.isRequested) return;
  announce(await starting, options, ports, service);
  driver.wasReady = true;
  void stop.handOverAsked.then(() => {
    if (frontEnd.canHandOver) {
      stop.grantHandOver();
      return;
    }
    // Whoever asked waits for our end: a service manager, or a successor.
    ports.logger.warn('there is nothing here that a successor could take over: stops instead');
    if (!stop.isRequested) stop.request();
  });
  const end = await Promise.race([stop.requested, watch.ended, frontEnd.ended]);
  service.stopping();
  if (end !== undefined) throw end;
  if (stop.isRequested && !stop.isHandOver) await untilUnused(driver, ports, stop);
}

async function start(
  driver: Driver,
  options: Options,
  ports: DriverPorts,
): Promise<readonly ReadyPlace[]> {
  await driver.observation.start();
  await open(driver, options, ports);
  await probeRange(driver.memory, options);
  if (driver.watch.end !== undefined) throw driver.watch.end;
  const places = await driver.frontEnd.start();
  driver.observation.attached(places);
  return places;
}

/** Somebody would lose data if the devices went now: says who, and waits. */
async function untilUnused(
  { frontEnd, watch, service }: Driver,
  ports: DriverPorts,
  stop: StopRequest,
): Promise<void> {
  const { clock, logger } = ports;
  let users = await frontEnd.describeUsers();
  if (users === undefined) return;
  logger.warn(
    `stops as soon as nobody uses the device: ${users}; a second signal stops it at once, and ` +
      'whoever uses it then gets I/O errors',
  );
  const untilFree = async (): Promise<void> => {
    while (users !== undefined && !stop.isInsisted && watch.end === undefined) {
      service.waitsFor(users);
      await Promise.race([pause(clock, LOOK_AGAIN_MICROS), stop.insisted, watch.ended]);
      users = await frontEnd.describeUsers();
    }
  };
  await whileWaiting(
    untilFree(),
    { text: 'waits until nobody uses the device', isLogged: true },
    ports,
  );
}

async function open(driver: Driver, options: Options, ports: DriverPorts): Promise<void> {
  const { memory, socket, watch } = driver;
  const waited = {
    text: `waits for ${formatMac(options.mac)} to answer on ${options.netdev}`,
    limitMicros: options.openTimeout,
  };
  const result = await whileWaiting(memory.open(options.openTimeout), waited, ports);
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

/** Ready: the lines, the service manager, the pid file, in this order. */
function announce(
  places: readonly ReadyPlace[],
  options: Options,
  ports: DriverPorts,
  service: ServiceManager,
): void {
  for (const { name, sizeBytes, firstByte } of places) {
    const base = formatAddress(addressPlus(options.base, firstByte) as RemoteAddress);
    const where = `${base} on ${formatMac(options.mac)} via ${options.netdev}`;
    ports.print(`ready: ${name} ${sizeBytes} bytes at ${where}`);
  }
  const names = places.map(({ name }) => name).join(', ');
  service.ready(`${names} on ${formatMac(options.mac)} via ${options.netdev}`);
  if (options.pidFile === undefined) return;
  writePidFile(options.pidFile);
  ports.leftovers.add(options.pidFile);
}

async function endDriver(
  driver: Driver,
  ports: DriverPorts,
  { isAnnounced, stop }: { isAnnounced: boolean; stop: StopRequest },
): Promise<void> {
  const { memory, frontEnd, capture, watch, service, observation } = driver;
  // When the endpoint is gone nothing can be written any more.
  const hasTime = !stop.isInsisted && watch.end === undefined;
  const parts = {
    frontEnd: {
      stop: (grace: Micros) =>
        stop.isHandOver ? frontEnd.handOver() : frontEnd.stop(hasTime ? grace : 0),
    },
    link: memory,
    closeTimeoutMicros: memory.link.config.closeTimeoutMicros,
    release: async () => {
      await Promise.all([observation.close(), capture?.close()]);
      service.close();
      ports.leftovers.removeAll();
    },
  };
  await shutDown(parts, isAnnounced ? ports.print : () => {});
  // A driver that never served says one sentence, why.
  if (driver.wasReady) logSummary(ports.logger, driver);
}

function pause(clock: Clock, micros: Micros): Promise<void> {
  return new Promise((resolve) => {
    const alarm = clock.createAlarm(() => {
      alarm.close();
      resolve();
    });
    alarm.arm(clock.now() + micros);
  });
}

/** How often somebody who waits for the device to be free looks again. */
const LOOK_AGAIN_MICROS: Micros = 250 * MILLISECOND;
