import { fileURLToPath } from 'node:url';
import nodeGypBuild from 'node-gyp-build';
import { NbdDeviceError } from './errors.ts';
import type { NativeBinding } from './native-binding.ts';
import type { NativeProcess } from './native-process.ts';

/** All that the addon exports. */
export type Addon = NativeBinding & NativeProcess;

let loaded: Addon | undefined;

/**
 * The native addon, loaded at the first call: the package's own build, or a prebuilt binary.
 *
 * @throws NbdDeviceError ERR_NBD_NO_ADDON when there is none for this machine
 */
export function loadBinding(): Addon {
  if (loaded !== undefined) return loaded;
  if (process.platform !== 'linux') {
    throw noAddon(`Kernel NBD devices need Linux; this is ${process.platform}.`, undefined);
  }
  try {
    // The package root, seen from src/ as well as from dist/.
    loaded = nodeGypBuild(fileURLToPath(new URL('..', import.meta.url))) as Addon;
    return loaded;
  } catch (cause) {
    throw noAddon(
      `No native addon of @oxmem/nbd-kernel for ${process.platform}-${process.arch}: build it ` +
        'with `npm run native:build` in the package folder (needs a C++ compiler, make and Python).',
      cause,
    );
  }
}

function noAddon(message: string, cause: unknown): NbdDeviceError {
  return new NbdDeviceError('ERR_NBD_NO_ADDON', message, { cause });
}
