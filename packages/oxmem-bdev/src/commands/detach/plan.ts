import type { DeviceFacts } from '@oxmem/nbd-kernel';

import { describeServer, type DeviceServer } from '../../kernel/device-server.ts';

/** What is known about a device that shall be detached. */
export interface DetachFacts {
  readonly device: DeviceFacts;
  /** Who would lose data by it, in words; undefined: nobody. */
  readonly users: string | undefined;
  /** Undefined: it is not attached. */
  readonly server: DeviceServer | undefined;
  /** The other devices of the same driver, which end together with it. */
  readonly siblings: readonly Sibling[];
}

/** Another device of the same driver. */
export interface Sibling {
  readonly device: DeviceFacts;
  readonly users: string | undefined;
}

/** What is to be done. */
export type DetachPlan =
  /** It is not attached. */
  | { readonly kind: 'nothing' }
  /** Somebody would lose by it: why, and what to do about it. */
  | { readonly kind: 'refuse'; readonly sentence: string }
  /** Its driver is asked to stop. */
  | { readonly kind: 'stopDriver'; readonly pid: number; readonly devices: readonly string[] }
  /** The kernel is told to drop its connection. */
  | { readonly kind: 'disconnect' };

/**
 * Decides how a device is detached. Nobody loses data without `--force`; with it, only as much is
 * done as is needed.
 */
export function planDetach(facts: DetachFacts, isForced: boolean): DetachPlan {
  const { device, users, server, siblings } = facts;
  switch (server?.kind) {
    case undefined:
      return { kind: 'nothing' };
    case 'program':
      if (isForced) return { kind: 'disconnect' };
      return refuse(`${describeProgram(device, server)}, or give --force`);
    case 'nobody': {
      if (isForced) return { kind: 'disconnect' };
      // I/O of a program waits for a successor; udev merely looks, and loses nothing.
      const openers = device.openers.filter(({ command }) => !UDEV_COMMAND.test(command));
      const waiting = users ?? describeOpeners({ openers });
      return waiting === undefined ? { kind: 'disconnect' } : refuseUsed(device, waiting);
    }
    case 'driver': {
      const used = siblings.find((sibling) => sibling.users !== undefined);
      if (users === undefined && used === undefined) {
        const devices = [device, ...siblings.map((sibling) => sibling.device)];
        return { kind: 'stopDriver', pid: server.pid, devices: devices.map(({ path }) => path) };
      }
      if (isForced) return { kind: 'disconnect' };
      if (users !== undefined) return refuseUsed(device, users);
      return refuseSibling(facts, used as Sibling & { users: string });
    }
  }
}

/** What releases a device, if need be as commands to type. */
export function remedyFor({ mounts, swaps, holders }: DeviceFacts): string {
  const commands = [
    ...mounts.map(({ target }) => `sudo umount ${target}`),
    ...swaps.map((path) => `sudo swapoff ${path}`),
  ];
  const parts = [
    commands.length === 0 ? undefined : `release it with \`${commands.join(' && ')}\``,
    holders.length === 0 ? undefined : `take ${holders.join(', ')} off it`,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? 'wait until it is released' : parts.join(' and ');
}

/** Who has the node open, in words; undefined: nobody that one can see. */
export function describeOpeners({ openers }: Pick<DeviceFacts, 'openers'>): string | undefined {
  if (openers.length === 0) return undefined;
  return `open in ${openers.map(({ pid, command }) => `${command} (process ${pid})`).join(', ')}`;
}

function refuseUsed(device: DeviceFacts, users: string): DetachPlan {
  return refuse(
    `${device.path} is in use: ${users}; ${remedyFor(device)}, or give --force, and whoever uses ` +
      'it gets I/O errors',
  );
}

function refuseSibling(
  { device }: DetachFacts,
  { device: sibling, users }: Sibling & { users: string },
): DetachPlan {
  return refuse(
    `${device.path} is served together with ${sibling.path}, which is in use: ${users}; ` +
      `${remedyFor(sibling)}, or give --force to disconnect ${device.path} alone`,
  );
}

function describeProgram(
  { path }: DeviceFacts,
  server: Extract<DeviceServer, { kind: 'program' }>,
): string {
  if (server.command === 'oxmem-bdev') {
    return `${path} is served by an oxmem-bdev that has left no record: stop that program itself`;
  }
  return (
    `${path} is ${describeServer(server)}, and no oxmem-bdev says that it serves it: end it with ` +
    `that program (nbd-client: \`sudo nbd-client -d ${path}\`)`
  );
}

function refuse(sentence: string): DetachPlan {
  return { kind: 'refuse', sentence: `${sentence}.` };
}

const UDEV_COMMAND = /^(\(?udev-worker\)?|(systemd-)?udevd)$/;
