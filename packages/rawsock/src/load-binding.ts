import { fileURLToPath } from 'node:url';
import nodeGypBuild from 'node-gyp-build';
import { RawSocketError } from './errors.ts';
import type { NativeAddon } from './native-binding.ts';

let loaded: NativeAddon | undefined;

/**
 * The native addon, loaded at the first call: the package's own build, or a prebuilt binary.
 *
 * @throws RawSocketError ERR_RAWSOCK_NO_ADDON when there is none for this machine
 */
export function loadBinding(): NativeAddon {
  if (loaded !== undefined) return loaded;
  if (process.platform !== 'linux') {
    throw noAddon(`Raw Ethernet sockets need Linux; this is ${process.platform}.`, undefined);
  }
  try {
    // The package root, seen from src/ as well as from dist/.
    loaded = nodeGypBuild(fileURLToPath(new URL('..', import.meta.url))) as NativeAddon;
    return loaded;
  } catch (cause) {
    throw noAddon(
      `No native addon of @oxmem/rawsock for ${process.platform}-${process.arch}: build it with ` +
        '`npm run native:build` in the package folder (needs a C++ compiler, make and Python).',
      cause,
    );
  }
}

function noAddon(message: string, cause: unknown): RawSocketError {
  return new RawSocketError('ERR_RAWSOCK_NO_ADDON', message, { cause });
}
