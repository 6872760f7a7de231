import { accessSync, constants, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

import type { Options } from '../cli/options.ts';
import { DriverError, systemCode } from '../errors.ts';
import { openServerSocket } from '../server/server-socket.ts';

/**
 * Looks whether the places that the options name can be had, before the endpoint hears of us. Nothing
 * is left there; somebody may still be faster.
 *
 * @throws DriverError as `NbdServer.listen` and `writePidFile`
 */
export async function checkPlaces({
  listen,
  pidFile,
}: Pick<Options, 'listen' | 'pidFile'>): Promise<void> {
  if (pidFile !== undefined) checkPidFile(pidFile);
  if (listen === undefined) return;
  const server = await openServerSocket(listen, (socket) => socket.destroy());
  await new Promise((resolve) => server.close(resolve));
}

/** @throws DriverError ERR_OXMEM_FILE */
export function writePidFile(path: string): void {
  try {
    writeFileSync(path, `${process.pid}\n`);
  } catch (thrown) {
    throw pidFileError(path, systemCode(thrown) ?? 'unknown', thrown);
  }
}

function checkPidFile(path: string): void {
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch (thrown) {
    throw pidFileError(path, systemCode(thrown) ?? 'unknown', thrown);
  }
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw pidFileError(path, 'EISDIR');
  }
}

function pidFileError(path: string, code: string, cause?: unknown): DriverError {
  return new DriverError(
    'ERR_OXMEM_FILE',
    `--pid-file: "${path}" cannot be written (${code}); name a file in a folder of yours.`,
    cause,
  );
}
