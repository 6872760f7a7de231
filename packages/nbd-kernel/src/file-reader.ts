import { readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';

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
}

/** The files of this machine. */
export const machineFiles: FileReader = {
  readText: (path) => unlessMissing(() => readFileSync(path, 'utf8')),
  readNames: (path) => unlessMissing(() => readdirSync(path)),
  readLink: (path) => unlessMissing(() => readlinkSync(path)),
  isBlockDevice: (path) => unlessMissing(() => statSync(path).isBlockDevice()),
};

function unlessMissing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
