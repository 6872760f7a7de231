/** The tests that want a real kernel's block device, run by vitest inside the guest. */
import { join } from 'node:path';
import { repositoryRoot } from '../repository.mjs';
import { runInGuest } from './guest.mjs';

/**
 * @typedef {object} KernelRun
 * @property {import('./guest.mjs').KernelLab} lab
 * @property {NodeJS.ProcessEnv} env of the run; what the tests are told by is passed on
 * @property {string} folder shared with the guest; the results file is in it
 * @property {readonly string[]} args for vitest: filters, options
 * @property {number} timeoutMs for the whole guest
 */

/** Variables that reach the tests; everything else of ours stays outside. */
const passedOn = ['PATH', 'NO_COLOR', 'FORCE_COLOR', 'OXMEM_RESULTS_FILE', 'OXMEM_NAME_PATTERN'];

/**
 * Boots a guest, runs the project `kernel` in it with its output going straight to ours, and tells
 * how long the guest took to boot.
 *
 * @param {KernelRun} run
 * @returns {Promise<{ code: number, problem?: string }>} as runShown gives it; `problem`: why the
 *   guest did not come to its end
 */
export async function runVitestInGuest({ lab, env, folder, args, timeoutMs }) {
  const starter = join(repositoryRoot, 'tests', 'kernel', 'run-guest.mjs');
  const result = await runInGuest([process.execPath, starter, ...args], {
    lab,
    timeoutMs,
    folder,
    env: Object.fromEntries(passedOn.map((name) => [name, env[name]])),
    onOutput: (text) => process.stdout.write(text),
  });
  const { code, problem, bootSeconds, totalSeconds } = result;
  const times = `booted in ${bootSeconds.toFixed(1)} s, ${totalSeconds.toFixed(1)} s in all`;
  console.log(`Linux ${lab.kernel.release}: ${times}; console: results/kernel/console.log`);
  return problem === undefined ? { code } : { code, problem };
}
