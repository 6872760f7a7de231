/** Which files of kernel tests share a guest, and in which order guests are begun. */

/**
 * @typedef {object} Share
 * @property {string[]} files relative to the root of the repository
 * @property {string} [memory] of the guest, as QEMU takes it
 * @property {number} [processors] of the guest
 */

/**
 * The longest first, so that the last guests end at about the same time. Booting a guest and
 * starting vitest in it takes half a minute, so small files stand together. A file that is not
 * named here gets a guest of its own.
 *
 * @type {readonly Share[]}
 */
const plan = [
  { files: files('filesystems') },
  { files: files('quick-start', 'swap') },
  { files: files('stopping') },
  { files: files('takeover') },
  { files: files('volumes') },
  { files: files('standstill') },
  { files: files('mirror') },
  { files: files('bad-input', 'service-user') },
  { files: files('commands', 'detach-by-force') },
  { files: files('readme', 'demo') },
  { files: files('many-devices', 'nbd-client', 'guest') },
  { files: [...packageFiles('device', 'cycles'), ...files('lossy-wire')] },
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
