/** Which files of kernel tests share a guest, and in which order guests are begun. */

/**
 * @typedef {object} Share
 * @property {string[]} files relative to the root of the repository
 * @property {string} [memory] of the guest, as QEMU takes it
 * @property {number} [processors] of the guest
 */

/**
 * Of about the same length each, so that the last guests end together: booting a guest and starting
 * vitest in it takes half a minute, so there are as many as a machine with four processors runs at a
 * time. Whatever ends a guest takes the files along that were not begun to another one. A file that
 * is not named here gets a guest of its own.
 *
 * @type {readonly Share[]}
 */
const plan = [
  { files: [...files('volumes', 'many-devices', 'swap'), ...packageFiles('device', 'cycles')] },
  { files: files('stopping', 'mirror', 'bad-input', 'lossy-wire', 'detach-by-force') },
  { files: files('standstill', 'filesystems', 'partitions', 'service-user', 'guest') },
  { files: files('takeover', 'commands', 'readme', 'demo', 'nbd-client') },
];

/** @param {string[]} names */
function files(...names) {
  return names.map((name) => `tests/kernel/${name}.kernel.test.ts`);
}

/** @param {string[]} names */
function packageFiles(...names) {
  return names.map((name) => `packages/nbd-kernel/test/${name}.kernel.test.ts`);
}

/**
 * @param {readonly string[]} wanted files that shall run
 * @param {readonly Share[]} [shares]
 * @returns {Share[]} all of them, each once
 */
export function sharesOf(wanted, shares = plan) {
  const known = new Set(shares.flatMap((share) => share.files));
  const own = wanted.filter((file) => !known.has(file)).map((file) => ({ files: [file] }));
  const planned = shares
    .map((share) => ({ ...share, files: share.files.filter((file) => wanted.includes(file)) }))
    .filter((share) => share.files.length > 0);
  return [...own, ...planned];
}
