import {
  busyError,
  deviceFacts,
  deviceIndex,
  type DeviceFacts,
  type NbdMachine,
} from '@oxmem/nbd-kernel';

import { DriverError } from '../errors.ts';
import { isServerAlive, readRecord } from './device-record.ts';

/** Where records of devices are, and who can be told something. */
export interface Surroundings {
  readonly machine: NbdMachine;
  readonly recordFolder: string;
  /** Asks a process to leave its devices to a successor; false: there is no such process. */
  readonly askToHandOver: (pid: number) => boolean;
  readonly pause: (millis: number) => Promise<void>;
  /** Told of what takes a moment. */
  readonly onNote: (text: string) => void;
}

/**
 * Whether the kernel still has a device of ours that has lost its server, or will lose it.
 *
 * @param identifier  what the device shows, as the kernel was told when it was attached
 * @throws NbdDeviceError ERR_NBD_BUSY when it shows something else
 */
export function hasPredecessor(facts: DeviceFacts, identifier: string): boolean {
  if (facts.attachedPid === undefined) return false;
  if (facts.backendIdentifier?.trim() === identifier) return true;
  throw busyError(facts);
}

/**
 * If the driver that serves a device is alive, asks it to leave the device to us, and waits until
 * it is gone: the kernel takes no new connection while the old one is there, and two drivers at one
 * endpoint would take each other's frames.
 *
 * @throws DriverError ERR_OXMEM_DEVICE_BUSY when it stays
 */
export async function dismissPredecessor(
  path: string,
  identifier: string,
  { machine, recordFolder, askToHandOver, pause, onNote }: Surroundings,
): Promise<void> {
  const index = deviceIndex(path);
  if (index === undefined || !hasPredecessor(deviceFacts(index, machine.files), identifier)) return;
  const record = readRecord(path, recordFolder);
  if (record === undefined || !isServerAlive(record, machine.files)) return;
  const { pid } = record;
  onNote(`asks the driver of ${path} (process ${pid}) to hand it over`);
  if (!askToHandOver(pid)) return;
  for (let waited = 0; waited < PATIENCE_MILLIS; waited += LOOK_MILLIS) {
    if (!isServerAlive(record, machine.files)) return;
    await pause(LOOK_MILLIS);
  }
  throw new DriverError(
    'ERR_OXMEM_DEVICE_BUSY',
    `The driver of ${path} (process ${pid}) does not hand it over: end it with ` +
      `\`sudo kill -9 ${pid}\` and try again.`,
  );
}

/** Longer than a driver needs to answer what is open, and to close its connection. */
const PATIENCE_MILLIS = 15_000;
const LOOK_MILLIS = 50;
