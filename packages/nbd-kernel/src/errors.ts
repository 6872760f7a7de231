import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import type { DeviceFacts } from './device-facts.ts';
import { usersOf } from './device-facts.ts';
import type { NativeError } from './native-binding.ts';

/** What can go wrong with a kernel device. The codes are the interface; messages may change. */
export type NbdErrorCode =
  | 'ERR_NBD_NO_MODULE'
  | 'ERR_NBD_NO_DEVICE'
  | 'ERR_NBD_BUSY'
  | 'ERR_NBD_PERMISSION'
  | 'ERR_NBD_NO_NETLINK'
  | 'ERR_NBD_NO_ADDON'
  | 'ERR_NBD_ABORTED'
  | 'ERR_NBD_OS';

/** What an NbdDeviceError knows besides its code and sentence. */
export interface NbdErrorDetails {
  /** The system call, ioctl or netlink command that failed, if one did. */
  readonly syscall?: string | undefined;
  /** errno(3), positive, if a system call failed. */
  readonly errno?: number | undefined;
  readonly device?: string | undefined;
  readonly cause?: unknown;
}

/** An error of the operating system, in one sentence with what to do about it. */
export class NbdDeviceError extends Error {
  override readonly name = 'NbdDeviceError';
  readonly code: NbdErrorCode;
  readonly syscall: string | undefined;
  readonly errno: number | undefined;
  /** Path of the device node. */
  readonly device: string | undefined;

  constructor(code: NbdErrorCode, message: string, details: NbdErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.syscall = details.syscall;
    this.errno = details.errno;
    this.device = details.device;
  }
}

/** The kernel's nbd module is not there. */
export function noModuleError(device: string): NbdDeviceError {
  return new NbdDeviceError(
    'ERR_NBD_NO_MODULE',
    "The kernel's nbd module is not loaded: load it with `sudo modprobe nbd max_part=8`.",
    { device },
  );
}

/** There is no such device, although the module is loaded. */
export function noDeviceError(device: string, existing: readonly string[]): NbdDeviceError {
  const choice = existing.length === 0 ? 'none at all' : rangeOf(existing);
  return new NbdDeviceError(
    'ERR_NBD_NO_DEVICE',
    `There is no device ${device} here; there is: ${choice}. Choose one of them, or load the ` +
      'module with more (`sudo modprobe nbd nbds_max=N max_part=8`).',
    { device },
  );
}

/** The name is not one of an NBD device. */
export function notNbdError(device: string): NbdDeviceError {
  return new NbdDeviceError(
    'ERR_NBD_NO_DEVICE',
    `${device} is not an NBD device; name one of /dev/nbd0, /dev/nbd1, ...`,
    { device },
  );
}

/** Every device is in use. */
export function noFreeDeviceError(): NbdDeviceError {
  return new NbdDeviceError(
    'ERR_NBD_BUSY',
    'All NBD devices are in use: detach one (`lsblk /dev/nbd*` shows them), or load the module ' +
      'with more (`sudo modprobe nbd nbds_max=N max_part=8`).',
  );
}

/** Names the command that makes whoever serves a device let go of it. */
export type DetachCommand = (facts: DeviceFacts) => string;

/** What `busyError` is told besides. */
export interface BusyContext {
  readonly cause?: NativeError;
  /** Default: that of nbd-client. */
  readonly detachCommand?: DetachCommand | undefined;
}

/** Somebody has the device. The sentence names who, and how to end that. */
export function busyError(
  facts: DeviceFacts,
  { cause, detachCommand = nbdClientDetach }: BusyContext = {},
): NbdDeviceError {
  const { path } = facts;
  const details = { device: path, syscall: cause?.syscall, errno: cause?.errno, cause };
  return new NbdDeviceError(
    'ERR_NBD_BUSY',
    `${path} is busy: ${usersOf(facts) ?? 'the kernel says that somebody has it'}. ` +
      `${remedyFor(facts, detachCommand)}`,
    details,
  );
}

/** The netlink family is out of sight although netlink was asked for. */
export function noNetlinkError(device: string): NbdDeviceError {
  return new NbdDeviceError(
    'ERR_NBD_NO_NETLINK',
    'The kernel does not offer NBD by netlink here (it is older than 4.12, or this is not its ' +
      'first network namespace): attach by ioctl instead.',
    { device },
  );
}

/** The owner gave up the attachment before it was complete. */
export function abortedError(device: string): NbdDeviceError {
  return new NbdDeviceError('ERR_NBD_ABORTED', `The attachment of ${device} was given up.`, {
    device,
  });
}

/**
 * Puts a failed system call into words. Anything else is returned as it is.
 *
 * @param facts   what is known of the device; names the holders when it is busy
 * @param intent  what was to be done with it
 */
export function deviceError(
  facts: DeviceFacts,
  thrown: unknown,
  intent: 'attach' | 'detach' = 'attach',
): unknown {
  if (!isNativeError(thrown)) return thrown;
  const { syscall, errno } = thrown;
  const { path } = facts;
  const details = { device: path, syscall, errno, cause: thrown };
  const { EPERM, EACCES, EBUSY, ENOENT, ENXIO, ENODEV } = constants.errno;
  switch (errno) {
    case EACCES:
      return new NbdDeviceError(
        'ERR_NBD_PERMISSION',
        `No access to ${path}: run with sudo, or add the user to the disk group ` +
          '(`sudo usermod -aG disk $USER`) and grant CAP_SYS_ADMIN.',
        details,
      );
    case EPERM:
      return new NbdDeviceError(
        'ERR_NBD_PERMISSION',
        `${intent === 'attach' ? 'Attaching' : 'Detaching'} ${path} needs the capability ` +
          'CAP_SYS_ADMIN: run with sudo (being root inside a container or user namespace is not ' +
          'enough).',
        details,
      );
    case EBUSY:
      return busyError(facts, { cause: thrown });
    case ENOENT:
    case ENXIO:
    case ENODEV:
      return new NbdDeviceError(
        'ERR_NBD_NO_DEVICE',
        `${path} is not there: load the module with \`sudo modprobe nbd max_part=8\`, or give ` +
          'the container the device.',
        details,
      );
    default:
      return new NbdDeviceError(
        'ERR_NBD_OS',
        `${path} could not be ${intent}ed: ${syscall} failed with ${errnoName(errno)}; ` +
          '`sudo dmesg | grep nbd` may say more.',
        details,
      );
  }
}

/** Whether a binding threw this because a system call failed. */
export function isNativeError(thrown: unknown): thrown is NativeError {
  return thrown instanceof Error && 'syscall' in thrown && 'errno' in thrown;
}

/** EBUSY for 16. */
export function errnoName(errno: number): string {
  return getSystemErrorName(-errno);
}

function remedyFor(facts: DeviceFacts, detachCommand: DetachCommand): string {
  const { mounts, swaps } = facts;
  const mount = mounts[0];
  const release = [
    mount === undefined ? undefined : `sudo umount ${mount.target}`,
    swaps[0] === undefined ? undefined : `sudo swapoff ${swaps[0]}`,
    facts.attachedPid === undefined ? undefined : detachCommand(facts),
  ].filter((command) => command !== undefined);
  if (release.length === 0) return 'Wait until it is closed, or choose another device.';
  return `Release it with \`${release.join(' && ')}\`, or choose another device.`;
}

function rangeOf(names: readonly string[]): string {
  const shown = names.length > 4 ? [...names.slice(0, 2), '...', names[names.length - 1]] : names;
  return shown.join(', ');
}

function nbdClientDetach({ path }: DeviceFacts): string {
  return `sudo nbd-client -d ${path}`;
}
