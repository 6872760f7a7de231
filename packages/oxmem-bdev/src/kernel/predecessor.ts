import {
  becomesTrue,
  deviceFacts,
  deviceIndex,
  thisMachine,
  type NbdMachine,
} from '@oxmem/nbd-kernel';

import type { Options } from '../cli/options.ts';
import { deviceSlices } from '../device/device-slices.ts';
import { DriverError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import { deviceFailure } from './device-failure.ts';
import { isServerAlive, readRecord } from './device-record.ts';
import { detachCommands, hasPredecessor } from './device-server.ts';
import { backendIdentifier, devicePathOf } from './device-terms.ts';

/** Where records of devices are, and who can be told something. */
export interface Surroundings {
  /** This machine unless given. */
  readonly machine?: NbdMachine;
  /** Folder of the records. */
  readonly runFolder: string;
  /** Asks a process to leave its devices to a successor; false: there is no such process. */
  readonly askToHandOver: (pid: number) => boolean;
  readonly logger: Pick<Logger, 'info'>;
}

/**
 * Drivers that are alive and serve devices that we are to take over are asked to leave them to us, and
 * waited for until they are gone: the kernel takes no new connection while the old one is there, and
 * two drivers at one endpoint would take each other's frames.
 *
 * @throws DriverError ERR_OXMEM_DEVICE_BUSY when one stays, or a device shows something else
 */
export async function dismissPredecessors(
  options: Options,
  surroundings: Surroundings,
): Promise<void> {
  try {
    for (const slice of deviceSlices(options)) {
      const path = devicePathOf(options, slice.index);
      await dismissPredecessor(path, backendIdentifier(options, slice), surroundings);
    }
  } catch (thrown) {
    throw deviceFailure(thrown);
  }
}

async function dismissPredecessor(
  path: string,
  identifier: string,
  { machine = thisMachine(), runFolder, askToHandOver, logger }: Surroundings,
): Promise<void> {
  const { files, clock } = machine;
  const index = deviceIndex(path);
  if (index === undefined) return;
  const detachCommand = detachCommands(runFolder, files);
  if (!hasPredecessor(deviceFacts(index, files), identifier, detachCommand)) return;
  const record = readRecord(path, runFolder);
  if (record === undefined || !isServerAlive(record, files)) return;
  const { pid } = record;
  logger.info(`asks the driver of ${path} (process ${pid}) to hand it over`);
  if (!askToHandOver(pid)) return;
  if (await becomesTrue(clock, PATIENCE_MILLIS, () => !isServerAlive(record, files))) return;
  throw new DriverError(
    'ERR_OXMEM_DEVICE_BUSY',
    `The driver of ${path} (process ${pid}) does not hand it over: end it with ` +
      `\`sudo kill -9 ${pid}\` and try again.`,
  );
}

/** Longer than a driver needs to answer what is open, and to close its connection. */
const PATIENCE_MILLIS = 15_000;
