/**
 * `npm run demo`: sets up what is missing, then shows the main job on this machine alone. A memory
 * endpoint simulator and the driver run in two network namespaces joined by a veth pair; a workload
 * goes through the kernel device (where there is no nbd, through the driver's export), is read back and
 * verified. Leaves nothing behind.
 *
 * `npm run demo -- --keep` leaves it running until Ctrl-C and prints how to use it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { bootstrap } from './bootstrap.mjs';
import { runDemo } from './demo-run.mjs';
import { isInPrivateNetwork, privateNetworkPrefix } from './netns.mjs';
import { printFailure, SetupError } from './setup-error.mjs';

const orphanCheckMs = 1_000;

/** @returns {Promise<number>} exit code */
async function main() {
  const args = process.argv.slice(2);
  const unknown = args.find((arg) => arg !== '--keep' && arg !== '--help' && arg !== '-h');
  if (unknown !== undefined) {
    console.error(`${unknown} is not an option of the demo; it takes --keep or nothing.`);
    return 2;
  }
  if (args.includes('--help') || args.includes('-h')) {
    console.log('npm run demo [-- --keep]\n  --keep  leave it running and print how to use it');
    return 0;
  }
  const isKept = args.includes('--keep');
  if (isInPrivateNetwork()) return runDemo({ isKept });
  const { env } = await bootstrap({ needsNetworkTools: true });
  return enterPrivateNetwork(env);
}

/**
 * Runs this program again in a network of its own.
 *
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>} its exit code
 */
async function enterPrivateNetwork(env) {
  const prefix = privateNetworkPrefix();
  if (prefix.argv === undefined) {
    throw new SetupError(
      `The demo needs network namespaces: ${prefix.reason}.`,
      'Run it as root (sudo npm run demo), or allow user namespaces: ' +
        'sudo sysctl kernel.unprivileged_userns_clone=1 (Debian) or ' +
        'kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu).',
    );
  }
  const [program = '', ...args] = prefix.argv;
  const child = spawn(program, [...args, process.execPath, ...process.argv.slice(1)], {
    // Each request to a kernel device waits in a thread of its own.
    env: { ...env, UV_THREADPOOL_SIZE: '32' },
    stdio: 'inherit',
  });
  // The child takes everything down while we wait; being told twice does no harm. npm passes some
  // signals on and simply dies of others.
  const stop = () => child.kill('SIGTERM');
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, stop);
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && stop(), orphanCheckMs).unref();
  const [code] = await once(child, 'close');
  return typeof code === 'number' ? code : 1;
}

process.exitCode = await main().catch((error) => {
  printFailure(error);
  return 1;
});
