/**
 * `pnpm soak --hours=H`: the driver and an endpoint over a veth pair while everything goes wrong that
 * we can make go wrong, every byte compared, memory watched. See docs/testing.md.
 *
 * Sets everything up, then runs tests/soak/main.mjs in a network of its own and passes on how it ended.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseOptions, USAGE } from '../tests/soak/options.mjs';
import { bootstrap } from './bootstrap.mjs';
import { isInPrivateNetwork, privateNetworkPrefix } from './netns.mjs';
import { repositoryRoot } from './repository.mjs';
import { printFailure, SetupError } from './setup-error.mjs';

const main = join(repositoryRoot, 'tests', 'soak', 'main.mjs');

/**
 * @param {readonly string[]} args
 * @returns {Promise<number>} exit code
 */
async function soak(args) {
  const parsed = parseOptions(args);
  if ('print' in parsed) {
    process.stdout.write(parsed.print);
    return 0;
  }
  if ('problem' in parsed) {
    process.stderr.write(`soak: ${parsed.problem}\n\n${USAGE}`);
    return 2;
  }
  // Whoever made the network we are in, a test run for instance, has done the set-up before.
  if (isInPrivateNetwork()) return runIn([], args, process.env);
  const { env } = await bootstrap({ needsNetworkTools: true });
  const network = privateNetworkPrefix();
  if (network.argv === undefined) {
    throw new SetupError(
      `No network of its own for the long run: ${network.reason}.`,
      'Run it as root, or allow user namespaces.',
    );
  }
  return runIn(network.argv, args, env);
}

/**
 * @param {readonly string[]} prefix
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>}
 */
function runIn(prefix, args, env) {
  const [program = '', ...rest] = [...prefix, process.execPath, main, ...args];
  // Our end of its standard input is how it notices that we are gone.
  const child = spawn(program, rest, { env, stdio: ['pipe', 'inherit', 'inherit'] });
  const passOn = (/** @type {NodeJS.Signals} */ signal) => child.kill(signal);
  process.on('SIGINT', passOn);
  process.on('SIGTERM', passOn);
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', (code) => done(code ?? 1));
  });
}

process.exitCode = await soak(process.argv.slice(2)).catch((error) => {
  printFailure(error);
  return 1;
});
