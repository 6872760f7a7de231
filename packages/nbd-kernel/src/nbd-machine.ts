import { machineClock } from './device-clock.ts';
import type { DeviceClock } from './device-clock.ts';
import { machineFiles } from './file-reader.ts';
import type { FileReader } from './file-reader.ts';
import { loadBinding } from './load-binding.ts';
import type { NativeBinding } from './native-binding.ts';
import type { NativeProcess } from './native-process.ts';

/** Everything that devices need of the outside. */
export interface NbdMachine {
  readonly binding: NativeBinding;
  readonly files: FileReader;
  readonly clock: DeviceClock;
}

/**
 * This machine.
 *
 * @throws NbdDeviceError ERR_NBD_NO_ADDON
 */
export function thisMachine(): NbdMachine {
  return { binding: loadBinding(), files: machineFiles, clock: machineClock };
}

/**
 * This process, as the addon sees it.
 *
 * @throws NbdDeviceError ERR_NBD_NO_ADDON
 */
export function thisProcess(): NativeProcess {
  return loadBinding();
}
