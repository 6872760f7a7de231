import { constants, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';

/**
 * The few questions that device facts ask of /sys, /proc and /dev. Whatever is missing or may not
 * be read is undefined.
 */
export interface FileReader {
  readText(path: string): string | undefined;
  /** Names in a folder, in any order. */
  readNames(path: string): readonly string[] | undefined;
  /** Where a symbolic link points to. */
  readLink(path: string): string | undefined;
  /** Whether this is a block device node; undefined: there is nothing. */
  isBlockDevice(path: string): boolean | undefined;
  /**
   * Whether a filesystem, swap space or another block device has this one, or a partition of it,
   * for itself. Unlike the table of mounts this says yes until the last byte of an unmount is
   * written, and for mounts in other namespaces. False also when the node cannot be opened.
   */
  isClaimed(path: string): Promise<boolean>;
}

/** The files of this machine. */
export const machineFiles: FileReader = {
  readText: (path) => unlessMissing(() => readFileSync(path, 'utf8')),
  readNames: (path) => unlessMissing(() => readdirSync(path)),
  readLink: (path) => unlessMissing(() => readlinkSync(path)),
  isBlockDevice: (path) => unlessMissing(() => statSync(path).isBlockDevice()),
  isClaimed,
};

/** Never on the event loop's thread: an open may wait for reads that this process serves. */
async function isClaimed(path: string): Promise<boolean> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_EXCL);
    await handle.close();
    return false;
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EBUSY';
  }
}

function unlessMissing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
