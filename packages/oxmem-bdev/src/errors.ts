import { ExitCode } from './cli/exit-codes.ts';

/** What can end the driver. The codes are the interface; sentences may change. */
export type DriverErrorCode =
  /** The interface is not there, is down, or is no Ethernet interface. */
  | 'ERR_OXMEM_INTERFACE'
  /** The raw socket is not permitted. */
  | 'ERR_OXMEM_PERMISSION'
  /** The raw socket failed for another reason. */
  | 'ERR_OXMEM_RAW_SOCKET'
  /** The endpoint did not open the connection in time. */
  | 'ERR_OXMEM_ENDPOINT_SILENT'
  /** Another driver on this interface talks to the endpoint. */
  | 'ERR_OXMEM_ENDPOINT_TAKEN'
  /** The endpoint does not serve the range that was asked for, or not in accesses of that size. */
  | 'ERR_OXMEM_RANGE'
  /** The kernel has no such NBD device, or no NBD at all. */
  | 'ERR_OXMEM_NO_DEVICE'
  /** Somebody has the kernel device. */
  | 'ERR_OXMEM_DEVICE_BUSY'
  /** We may not attach the kernel device. */
  | 'ERR_OXMEM_DEVICE_PERMISSION'
  /** The kernel device failed, or ended while it was in use. */
  | 'ERR_OXMEM_DEVICE'
  /** Nothing shows that the endpoint still holds what was written through a former driver. */
  | 'ERR_OXMEM_NO_PROOF'
  /** Somebody else serves at the place of the export. */
  | 'ERR_OXMEM_LISTEN_BUSY'
  /** We may not serve at the place of the export. */
  | 'ERR_OXMEM_LISTEN_PERMISSION'
  /** The place of the export cannot be used. */
  | 'ERR_OXMEM_LISTEN'
  /** Certificate or key for TLS cannot be used. */
  | 'ERR_OXMEM_TLS'
  /** This process cannot be prepared for serving swap space. */
  | 'ERR_OXMEM_SWAP'
  /** A file that was asked for cannot be written. */
  | 'ERR_OXMEM_FILE'
  /** The connection ended while it was in use. */
  | 'ERR_OXMEM_CONNECTION_ENDED';

/** Why the driver cannot start or go on: one sentence for a person, with what to do about it. */
export class DriverError extends Error {
  override readonly name = 'DriverError';
  readonly code: DriverErrorCode;

  constructor(code: DriverErrorCode, sentence: string, cause?: unknown) {
    super(sentence, cause === undefined ? undefined : { cause });
    this.code = code;
  }

  get exitCode(): ExitCode {
    return EXIT_CODES[this.code];
  }
}

/** The errno name of a system error (`EACCES`); undefined for anything else. */
export function systemCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}

const EXIT_CODES: Readonly<Record<DriverErrorCode, ExitCode>> = {
  ERR_OXMEM_INTERFACE: ExitCode.endpointSilent,
  ERR_OXMEM_PERMISSION: ExitCode.notPermitted,
  ERR_OXMEM_RAW_SOCKET: ExitCode.failed,
  ERR_OXMEM_ENDPOINT_SILENT: ExitCode.endpointSilent,
  ERR_OXMEM_ENDPOINT_TAKEN: ExitCode.deviceUnavailable,
  ERR_OXMEM_RANGE: ExitCode.usage,
  ERR_OXMEM_NO_DEVICE: ExitCode.deviceUnavailable,
  ERR_OXMEM_DEVICE_BUSY: ExitCode.deviceUnavailable,
  ERR_OXMEM_DEVICE_PERMISSION: ExitCode.notPermitted,
  ERR_OXMEM_DEVICE: ExitCode.failed,
  ERR_OXMEM_NO_PROOF: ExitCode.failed,
  ERR_OXMEM_LISTEN_BUSY: ExitCode.deviceUnavailable,
  ERR_OXMEM_LISTEN_PERMISSION: ExitCode.notPermitted,
  ERR_OXMEM_LISTEN: ExitCode.failed,
  ERR_OXMEM_TLS: ExitCode.usage,
  ERR_OXMEM_SWAP: ExitCode.notPermitted,
  ERR_OXMEM_FILE: ExitCode.failed,
  ERR_OXMEM_CONNECTION_ENDED: ExitCode.failed,
};
