import { NbdDeviceError, type DeviceEnd, type NbdErrorCode } from '@oxmem/nbd-kernel';

import { DriverError, type DriverErrorCode } from '../errors.ts';

/** What a failed attachment means for the driver; its sentence is for a person already. */
export function deviceFailure(thrown: unknown): unknown {
  if (!(thrown instanceof NbdDeviceError)) return thrown;
  return new DriverError(DRIVER_CODES[thrown.code], thrown.message, thrown);
}

/** What it means that a device has ended by itself; undefined: somebody wanted it so. */
export function endFailure(path: string, end: DeviceEnd): DriverError | undefined {
  if (end.reason === 'detached' || end.reason === 'disconnectedElsewhere') return undefined;
  return new DriverError(
    'ERR_OXMEM_DEVICE',
    `${path} has ended: ${end.text}. Whoever uses it gets I/O errors: unmount it, start ` +
      'oxmem-bdev again, and check the filesystem.',
  );
}

const DRIVER_CODES: Readonly<Record<NbdErrorCode, DriverErrorCode>> = {
  ERR_NBD_NO_MODULE: 'ERR_OXMEM_NO_DEVICE',
  ERR_NBD_NO_DEVICE: 'ERR_OXMEM_NO_DEVICE',
  ERR_NBD_BUSY: 'ERR_OXMEM_DEVICE_BUSY',
  ERR_NBD_PERMISSION: 'ERR_OXMEM_DEVICE_PERMISSION',
  ERR_NBD_NO_NETLINK: 'ERR_OXMEM_NO_DEVICE',
  ERR_NBD_NO_ADDON: 'ERR_OXMEM_DEVICE',
  ERR_NBD_ABORTED: 'ERR_OXMEM_DEVICE',
  ERR_NBD_OS: 'ERR_OXMEM_DEVICE',
};
