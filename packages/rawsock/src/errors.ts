import { constants } from 'node:os';
import { basename } from 'node:path';
import { getSystemErrorName } from 'node:util';
import type { NativeError } from './native-binding.ts';

/** What can go wrong with a raw socket. The codes are the interface; messages may change. */
export type RawSocketErrorCode =
  | 'ERR_RAWSOCK_NO_INTERFACE'
  | 'ERR_RAWSOCK_PERMISSION'
  | 'ERR_RAWSOCK_INTERFACE_DOWN'
  | 'ERR_RAWSOCK_CLOSED'
  | 'ERR_RAWSOCK_NO_ADDON'
  | 'ERR_RAWSOCK_OS';

/** An error of the operating system, in one sentence with what to do about it. */
export class RawSocketError extends Error {
  override readonly name = 'RawSocketError';
  readonly code: RawSocketErrorCode;
  /** The system call that failed, if one did. */
  readonly syscall: string | undefined;
  /** errno(3), positive, if a system call failed. */
  readonly errno: number | undefined;
  readonly interfaceName: string | undefined;

  constructor(code: RawSocketErrorCode, message: string, details: RawSocketErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.syscall = details.syscall;
    this.errno = details.errno;
    this.interfaceName = details.interfaceName;
  }
}

/** What a RawSocketError knows besides its code and sentence. */
export interface RawSocketErrorDetails {
  readonly syscall?: string;
  readonly errno?: number;
  readonly interfaceName?: string;
  readonly cause?: unknown;
}

/** There is no such interface here, or it does not carry Ethernet frames. */
export function noInterfaceError(
  interfaceName: string,
  existing: readonly string[],
): RawSocketError {
  const choice = existing.length > 0 ? existing.join(', ') : 'none at all';
  return new RawSocketError(
    'ERR_RAWSOCK_NO_INTERFACE',
    `There is no network interface "${interfaceName}" here; there is: ${choice}.`,
    { interfaceName },
  );
}

/** The interface exists and cannot carry Ethernet frames (a tunnel, say). */
export function notEthernetError(interfaceName: string): RawSocketError {
  return new RawSocketError(
    'ERR_RAWSOCK_NO_INTERFACE',
    `The interface "${interfaceName}" does not carry Ethernet frames; name one that does.`,
    { interfaceName },
  );
}

/** The interface is switched off. */
export function interfaceDownError(interfaceName: string): RawSocketError {
  return new RawSocketError(
    'ERR_RAWSOCK_INTERFACE_DOWN',
    `The interface "${interfaceName}" is down: switch it on with ` +
      `\`sudo ip link set ${interfaceName} up\`.`,
    { interfaceName },
  );
}

/** The interface was removed while a socket was using it. */
export function interfaceGoneError(
  interfaceName: string,
  syscall: string,
  errno: number,
): RawSocketError {
  return new RawSocketError(
    'ERR_RAWSOCK_NO_INTERFACE',
    `The interface "${interfaceName}" was removed while in use; open the socket again once it ` +
      'is back.',
    { interfaceName, syscall, errno },
  );
}

/** The socket has been closed. */
export function closedError(interfaceName: string): RawSocketError {
  return new RawSocketError(
    'ERR_RAWSOCK_CLOSED',
    `The raw socket on "${interfaceName}" is closed; open another one.`,
    { interfaceName },
  );
}

/** A program of its own can be given the capability; to Node it would be given for every script. */
function wayToGrant(): string {
  const isNode = /^node(?:js)?$/.test(basename(process.execPath));
  return isNode
    ? 'take the single executable and grant it the capability with `sudo setcap cap_net_raw+ep`'
    : `grant it once with \`sudo setcap cap_net_raw+ep ${process.execPath}\``;
}

/** Puts a failed system call of `openSocket` into words. Anything else is returned as it is. */
export function openError(interfaceName: string, thrown: unknown): unknown {
  if (!isNativeError(thrown)) return thrown;
  const { syscall, errno } = thrown;
  const details = { interfaceName, syscall, errno, cause: thrown };
  const { EPERM, EACCES, ENODEV, ENXIO, EAFNOSUPPORT } = constants.errno;
  switch (errno) {
    case EPERM:
    case EACCES:
      return new RawSocketError(
        'ERR_RAWSOCK_PERMISSION',
        `Raw sockets need the capability CAP_NET_RAW: run with sudo, or ${wayToGrant()}.`,
        details,
      );
    case ENODEV:
    case ENXIO:
      return new RawSocketError(
        'ERR_RAWSOCK_NO_INTERFACE',
        `The interface "${interfaceName}" vanished while it was being opened; is it back?`,
        details,
      );
    case EAFNOSUPPORT:
      return new RawSocketError(
        'ERR_RAWSOCK_OS',
        'This kernel has no packet sockets: load them with `sudo modprobe af_packet`.',
        details,
      );
    default:
      return new RawSocketError(
        'ERR_RAWSOCK_OS',
        `The raw socket on "${interfaceName}" could not be opened: ${syscall} failed with ` +
          `${errnoName(errno)}; see \`man 7 packet\`.`,
        details,
      );
  }
}

/** Whether a binding threw this because a system call failed. */
export function isNativeError(thrown: unknown): thrown is NativeError {
  return thrown instanceof Error && 'syscall' in thrown && 'errno' in thrown;
}

function errnoName(errno: number): string {
  return getSystemErrorName(-errno);
}
