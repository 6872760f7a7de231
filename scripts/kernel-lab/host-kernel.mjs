/** This machine's own kernel, where it has the NBD driver: no guest is needed then. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fullPath } from '../debian-packages.mjs';

/** @returns {boolean} whether this is root of the machine, not of a user namespace */
export function isRealRoot() {
  if (process.getuid?.() !== 0) return false;
  // Root inside a user namespace maps fewer than all user ids.
  return /^\s*0\s+0\s+4294967295\s*$/m.test(readFileSync('/proc/self/uid_map', 'utf8'));
}

/**
 * Loads the NBD driver where it is not loaded.
 *
 * @returns {{ release: () => void } | undefined} undefined: this kernel cannot be tested on.
 *   `release` unloads the driver if it was loaded here
 */
export function takeHostKernel() {
  if (!isRealRoot()) return undefined;
  const isLoaded = existsSync('/sys/module/nbd');
  if (!isLoaded && !modprobe('nbd', 'max_part=15')) return undefined;
  const release = () => {
    if (!isLoaded) modprobe('-r', 'nbd');
  };
  if (existsSync('/dev/nbd0')) return { release };
  release();
  return undefined;
}

/** @param {string[]} args */
function modprobe(...args) {
  const env = { ...process.env, PATH: fullPath() };
  return spawnSync('modprobe', ['-q', ...args], { env, stdio: 'ignore' }).status === 0;
}
