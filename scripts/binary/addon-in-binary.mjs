/**
 * The native addons of the binary. They are part of it, and the dynamic linker takes files only, so
 * each is written to a file that has no name: nobody else can open it, exchange it or find it later,
 * and nothing is left behind, however the program ends.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { getRawAsset } from 'node:sea';

/**
 * Where files may be executed, as a rule. Never a folder that the environment names: the program may
 * have capabilities that its user has not, and the folder could be a file system of his making.
 */
const PLACES = ['/dev/shm', '/tmp', '/var/tmp'];
/** Linux; not in Node's list. With O_EXCL the file can never get a name. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/**
 * @param {string} name of the asset
 * @returns {unknown} what the addon exports
 * @throws {Error} one sentence: where was tried and why it failed
 */
export function loadAddon(name) {
  const preloaded = preloadedFile(name);
  if (preloaded !== undefined) return load(preloaded);
  const bytes = new Uint8Array(/** @type {ArrayBuffer} */ (getRawAsset(name)));
  /** @type {string[]} */
  const reasons = [];
  for (const place of PLACES) {
    try {
      return loadFrom(place, bytes);
    } catch (error) {
      reasons.push(`${place}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(`no folder to unpack native code in (${reasons.join('; ')})`);
}

/**
 * @param {string} place
 * @param {Uint8Array} bytes
 */
function loadFrom(place, bytes) {
  const fd = openSync(place, O_TMPFILE | constants.O_EXCL | constants.O_RDWR, 0o600);
  try {
    for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
    // It stays open: `--swap` hands it on to the program that replaces this one.
    return load(`/proc/self/fd/${fd}`);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** @param {string} path */
function load(path) {
  const loaded = { exports: {} };
  process.dlopen(loaded, path);
  return loaded.exports;
}

/**
 * With --swap the program was started anew with its own addon preloaded; the linker has it already.
 *
 * @param {string} name
 */
function preloadedFile(name) {
  const [first = ''] = (process.env.LD_PRELOAD ?? '').split(':');
  return name === 'nbd-kernel' && /^\/proc\/self\/fd\/\d+$/.test(first) ? first : undefined;
}
