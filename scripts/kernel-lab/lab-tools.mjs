/** What a kernel to test on needs of this machine, and how to get it where that is allowed. */
import {
  canInstall,
  guestCommands,
  hasCommand,
  installPackages,
  installRemedy,
  kernelTestCommands,
  missingCommands,
  packagesOf,
} from '../debian-packages.mjs';
import { SetupError } from '../setup-error.mjs';

/**
 * @returns {string | undefined} why no kernel is booted on this machine: it cannot be had, whatever
 *   is installed, or we may not install it
 */
export function whyNoLab() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return `the test kernel is booted on x86-64 Linux only, this is ${process.arch}`;
  }
  if (!hasCommand('apt-get') || !hasCommand('dpkg-deb')) {
    return 'the test kernel comes from a Debian package, and apt-get or dpkg-deb is missing';
  }
  const missing = missingForGuest();
  if (missing.length === 0 || canInstall()) return undefined;
  return `missing: ${missing.join(', ')} (${installRemedy(missing)})`;
}

/**
 * Installs what is missing; asks nothing, and names what it installs.
 *
 * @param {import('../progress.mjs').Progress} progress
 * @throws {SetupError} when a package cannot be installed
 */
export async function provideLabTools(progress) {
  await provideCommands(missingForGuest(), progress);
}

/**
 * The same for the programs alone that the tests start, without a guest.
 *
 * @param {import('../progress.mjs').Progress} progress
 * @throws {SetupError} when a package cannot be installed
 */
export async function provideKernelTestTools(progress) {
  await provideCommands(missingCommands(kernelTestCommands), progress);
}

/**
 * @param {string[]} missing
 * @param {import('../progress.mjs').Progress} progress
 */
async function provideCommands(missing, progress) {
  if (missing.length === 0) return;
  const packages = packagesOf(missing);
  const { output } = await progress.step(`installing Debian packages ${packages.join(' ')}`, () =>
    installPackages(packages),
  );
  const left = missingCommands(missing);
  if (left.length === 0) return;
  const remedy = `Install them: ${installRemedy(left)}`;
  throw new SetupError(`Missing for the kernel's tests: ${left.join(', ')}.`, remedy, output);
}

/** @returns {string[]} */
function missingForGuest() {
  return missingCommands([...new Set([...guestCommands, ...kernelTestCommands])]);
}
