import { becomesTrue, isDoneWithin } from './device-clock.ts';
import {
  deviceFacts,
  deviceIndex,
  deviceIndexes,
  devicePath,
  isAttached,
  visibleUsers,
} from './device-facts.ts';
import type { DeviceFacts } from './device-facts.ts';
import type { FileReader } from './file-reader.ts';
import { busyError, deviceError, noDeviceError, noModuleError, notNbdError } from './errors.ts';
import { thisMachine } from './nbd-machine.ts';
import type { NbdMachine } from './nbd-machine.ts';

/** How to take a device from whoever serves it. */
export interface DetachDeviceOptions {
  /** Also when somebody loses data by it. Default false: such a device is left alone. */
  readonly force?: boolean | undefined;
  /** Without netlink: time for the server to answer what is open. Default 1000. */
  readonly drainMillis?: number | undefined;
  /** For the pid file to vanish. Default 2000. */
  readonly releaseMillis?: number | undefined;
}

/** What became of the device. */
export interface DetachOutcome {
  /** It was attached before. */
  readonly wasAttached: boolean;
  /** The kernel has forgotten it. False: it is disconnected, but somebody still has it open. */
  readonly isReleased: boolean;
  /** As of the end; names who has it open. */
  readonly facts: DeviceFacts;
}

/**
 * Ends a device that this process does not serve: one whose server has died, or one of another
 * program. The server is not asked to write anything, and I/O that waits fails.
 *
 * By netlink where it works, whichever way the device was attached; otherwise by ioctl, with a word
 * to the server before the sockets are cleared.
 *
 * @param device  path of the node, "/dev/nbd0"
 * @throws NbdDeviceError (as a rejection); ERR_NBD_BUSY names who would lose data
 */
export async function detachDevice(
  device: string,
  options: DetachDeviceOptions = {},
  machine: NbdMachine = thisMachine(),
): Promise<DetachOutcome> {
  const { files } = machine;
  const before = findDevice(device, files);
  if (!isAttached(before.index, files)) {
    return { wasAttached: false, isReleased: true, facts: before };
  }
  if (options.force !== true && visibleUsers(before, files) !== undefined) {
    throw busyError({ ...before, attachedPid: undefined });
  }
  try {
    await disconnect(before, options, machine);
  } catch (thrown) {
    throw deviceError(before, thrown, 'detach');
  }
  const isReleased = await isGoneWithin(before, options.releaseMillis ?? RELEASE_MILLIS, machine);
  return { wasAttached: true, isReleased, facts: deviceFacts(before.index, files) };
}

/**
 * What is known of a device that the kernel has, attached or not.
 *
 * @param device  path of the node
 * @throws NbdDeviceError when the kernel has no such device, or no NBD driver
 */
export function findDevice(device: string, files: FileReader): DeviceFacts {
  const index = deviceIndex(device);
  if (index === undefined) throw notNbdError(device);
  const facts = deviceFacts(index, files);
  if (!facts.isModuleLoaded) throw noModuleError(device);
  if (!facts.isKnown) throw noDeviceError(device, deviceIndexes(files).map(devicePath));
  return facts;
}

async function disconnect(
  facts: DeviceFacts,
  options: DetachDeviceOptions,
  machine: NbdMachine,
): Promise<void> {
  const { binding } = machine;
  if (binding.hasNetlinkFamily()) {
    await binding.netlinkDisconnect(facts.index);
    return;
  }
  const { drainMillis = DRAIN_MILLIS, releaseMillis = RELEASE_MILLIS } = options;
  const ended = binding.endNode(facts.path, drainMillis);
  // The kernel lets nobody open a node while a program's read of it waits in its own open.
  await isDoneWithin(machine.clock, drainMillis + releaseMillis, ended);
  ended.catch(() => undefined);
}

function isGoneWithin(
  { index }: DeviceFacts,
  millis: number,
  { files, clock }: NbdMachine,
): Promise<boolean> {
  return becomesTrue(clock, millis, () => !isAttached(index, files));
}

const DRAIN_MILLIS = 1000;
const RELEASE_MILLIS = 2000;
