import {
  busyError,
  type DetachCommand,
  type DeviceFacts,
  type FileReader,
} from '@oxmem/nbd-kernel';

import { macIn } from './device-terms.ts';
import { isServerAlive, readRecord, type DeviceRecord } from './device-record.ts';

/** Who answers the requests of an attached device. */
export type DeviceServer =
  /** An oxmem-bdev that lives. */
  | { readonly kind: 'driver'; readonly pid: number; readonly record: DeviceRecord }
  /** Nobody: the oxmem-bdev that had it is dead, or was told to leave it to a successor. */
  | {
      readonly kind: 'nobody';
      readonly pid: number | undefined;
      readonly record: DeviceRecord | undefined;
      /** I/O waits, for a time, and a successor may take the device over. */
      readonly isWaiting: boolean;
    }
  /** Another program, as far as one can tell; or an oxmem-bdev that has left no record. */
  | {
      readonly kind: 'program';
      /** Undefined: it cannot be told. */
      readonly pid: number | undefined;
      /** Undefined: whoever attached the device has ended, which other programs may do. */
      readonly command: string | undefined;
    };

/**
 * Tells who serves a device that is attached.
 *
 * The kernel's pid file names the process that attached it, which may be dead, replaced by a
 * successor, or another one with the same number by now. So it is the driver's own record that
 * counts, where it is about this attachment.
 *
 * @param facts   of the device; it is attached
 * @param record  of a driver, if there is one for this device
 */
export function serverOf(
  facts: DeviceFacts,
  record: DeviceRecord | undefined,
  files: Pick<FileReader, 'readText' | 'readNames'>,
): DeviceServer {
  if (record !== undefined) {
    const isAlive = isServerAlive(record, files);
    if (isAlive && isAboutThis(record, facts, files)) {
      return { kind: 'driver', pid: record.pid, record };
    }
    if (!isAlive && isAboutThis(record, facts, files)) {
      return { kind: 'nobody', pid: record.pid, record, isWaiting: record.way === 'netlink' };
    }
  }
  const mac = macIn(facts.backendIdentifier ?? '');
  if (mac === undefined) {
    const pid = facts.attachedPid ?? 0;
    return { kind: 'program', pid, command: files.readText(`/proc/${pid}/comm`)?.trim() };
  }
  if (isEndpointClaimed(mac, files)) {
    return { kind: 'program', pid: undefined, command: 'oxmem-bdev' };
  }
  // A driver that lets go of a device removes its record, so nobody is expected to come.
  return { kind: 'nobody', pid: undefined, record: undefined, isWaiting: false };
}

/**
 * Whether the kernel still has a device of ours that has lost its server, or will lose it.
 *
 * @param identifier     what the device shows, as the kernel was told when it was attached
 * @param detachCommand  the remedy when it shows something else
 * @throws NbdDeviceError ERR_NBD_BUSY when it shows something else
 */
export function hasPredecessor(
  facts: DeviceFacts,
  identifier: string,
  detachCommand: DetachCommand,
): boolean {
  if (facts.attachedPid === undefined) return false;
  if (shows(facts, identifier) === true) return true;
  throw busyError(facts, { detachCommand });
}

/**
 * Names what makes whoever serves a device let go of it.
 *
 * @param folder  of the records of drivers
 */
export function detachCommands(folder: string, files: FileReader): DetachCommand {
  return (facts) => {
    const { path } = facts;
    const server = serverOf(facts, readRecord(path, folder), files);
    return server.kind === 'program'
      ? `sudo nbd-client -d ${path}`
      : `sudo oxmem-bdev detach ${path}`;
  };
}

/** Who serves a device, in words. */
export function describeServer(server: DeviceServer): string {
  switch (server.kind) {
    case 'driver':
      return `served by oxmem-bdev (process ${server.pid})`;
    case 'nobody':
      return 'left by an oxmem-bdev that has ended';
    case 'program': {
      const { pid, command = 'a program that has ended' } = server;
      return `attached by ${command}${pid === undefined ? '' : ` (process ${pid})`}`;
    }
  }
}

/** Whether a record was written for what the kernel has now. */
function isAboutThis(
  record: DeviceRecord,
  facts: DeviceFacts,
  files: Pick<FileReader, 'readText' | 'readNames'>,
): boolean {
  const isSame = shows(facts, record.identifier);
  if (isSame !== undefined) return isSame;
  if (record.way === 'netlink') return true;
  const thread = facts.attachedPid ?? 0;
  const threads = files.readNames(`/proc/${record.pid}/task`);
  if (threads?.includes(String(thread)) === true) return true;
  if (facts.openers.some(({ pid }) => pid === record.pid)) return true;
  // The driver is dead and with it the thread; somebody else keeps the device open.
  return threads === undefined && files.readText(`/proc/${thread}/comm`) === undefined;
}

/** Whether a device shows this identifier; undefined: it shows none, as on kernels before 5.14. */
function shows({ backendIdentifier }: DeviceFacts, identifier: string): boolean | undefined {
  return backendIdentifier === undefined ? undefined : backendIdentifier === identifier;
}

/** Whether a driver that lives, in this network namespace, has marked the endpoint as its own. */
function isEndpointClaimed(mac: string, files: Pick<FileReader, 'readText'>): boolean {
  const sockets = files.readText('/proc/net/unix')?.split('\n') ?? [];
  return sockets.some((line) => line.includes(' @oxmem-bdev ') && line.includes(` ${mac}`));
}
