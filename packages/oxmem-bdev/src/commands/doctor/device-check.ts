import {
  deviceFacts,
  deviceIndex,
  deviceIndexes,
  isTaken,
  usersOf,
  type DeviceFacts,
  type FileReader,
} from '@oxmem/nbd-kernel';

import { ExitCode } from '../../cli/exit-codes.ts';
import { readRecord } from '../../kernel/device-record.ts';
import { describeServer, serverOf } from '../../kernel/device-server.ts';
import { fail, ok, warn, type Check } from './check.ts';

/** What is needed to look at a device. */
export interface DevicePorts {
  readonly files: FileReader;
  readonly recordFolder: string;
  /** Whether the node may be opened for reading and writing. */
  readonly mayOpen: (path: string) => boolean;
}

/**
 * Whether a driver could have the device.
 *
 * @param device  a path below /dev, or `auto`
 */
export function checkDevice(device: string, ports: DevicePorts): Check {
  const { files } = ports;
  const indexes = deviceIndexes(files);
  if (indexes.length === 0) return warn(`${device} was not looked at`, 'needs the nbd module');
  if (device === 'auto') {
    const all = indexes.map((index) => deviceFacts(index, files));
    const free = all.find((facts) => !isTaken(facts) && facts.openers.length === 0);
    if (free !== undefined) return checkNode(free, ports);
    return fail(
      ExitCode.deviceUnavailable,
      `all ${indexes.length} NBD devices are in use`,
      'detach one, `oxmem-bdev status` shows them, or load the module with more (`nbds_max=N`)',
    );
  }
  const index = deviceIndex(device);
  if (index === undefined || !indexes.includes(index)) {
    return fail(
      ExitCode.deviceUnavailable,
      index === undefined ? `${device} is not an NBD device` : `there is no device ${device}`,
      `name one of /dev/nbd0 to /dev/nbd${indexes.at(-1)}`,
    );
  }
  const facts = deviceFacts(index, files);
  return isTaken(facts) ? describeTaken(facts, ports) : checkNode(facts, ports);
}

function checkNode({ path, hasNode }: DeviceFacts, { mayOpen }: DevicePorts): Check {
  if (!hasNode) {
    return fail(
      ExitCode.deviceUnavailable,
      `${path} has no node here`,
      'give the container the device, or have udev make it',
    );
  }
  if (mayOpen(path)) return ok(`${path} is free`);
  return fail(
    ExitCode.notPermitted,
    `${path} is free, but may not be opened`,
    'run with sudo, or add the user to the disk group',
  );
}

function describeTaken(facts: DeviceFacts, { files, recordFolder }: DevicePorts): Check {
  const { path, attachedPid } = facts;
  const users = usersOf({ ...facts, attachedPid: undefined, openers: [] });
  const failed = (how: string, remedy: string): Check => {
    const what = [`${path} is busy: ${how}`, users].filter((part) => part !== undefined);
    return fail(ExitCode.deviceUnavailable, what.join('; '), remedy);
  };
  if (attachedPid === undefined) {
    return failed('somebody has it', 'release it, or choose another with --device');
  }
  const server = serverOf(facts, readRecord(path, recordFolder), files);
  if (server.kind === 'nobody' && server.isWaiting) {
    return failed(
      describeServer(server),
      `start its driver again with --takeover, or end it: \`sudo oxmem-bdev detach ${path}\``,
    );
  }
  return failed(
    describeServer(server),
    `end that with \`sudo oxmem-bdev detach ${path}\`, or choose another with --device`,
  );
}
