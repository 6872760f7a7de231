/**
 * Runs inside the guest, as root, by plain Node: loads the kernel's NBD driver and starts vitest on
 * the project `kernel`. Arguments are passed on to it.
 *
 * The guest's own network is the private one: nothing but the tests is in it. A namespace would hide
 * the NBD driver's netlink family, which exists in the first namespace only.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/**
 * @param {readonly string[]} argv
 * @param {NodeJS.ProcessEnv} [env]
 */
function run(argv, env = process.env) {
  const [program = '', ...args] = argv;
  const { status, signal, error } = spawnSync(program, args, { cwd: root, env, stdio: 'inherit' });
  if (error !== undefined) throw error;
  if (signal !== null) throw new Error(`${program} was ended by ${signal}`);
  return status ?? 1;
}

/** @param {readonly string[]} argv */
function must(argv) {
  const code = run(argv);
  if (code !== 0) throw new Error(`${argv.join(' ')}: exit code ${code}`);
}

must(['modprobe', 'nbd', 'max_part=15']);
must(['ip', 'link', 'set', 'lo', 'up']);
// Where udev runs it looks at each new device, and a device that is open counts as busy.
if (existsSync('/run/udev/control')) must(['udevadm', 'settle', '--timeout=120']);

const vitest = join(root, 'node_modules', '.bin', 'vitest');
const reporters = [
  '--reporter=default',
  '--reporter=./scripts/kernel-lab/case-lines.mjs',
  '--reporter=./scripts/vitest-results.mjs',
];
const args = process.argv.slice(2);
// To start another process for each file takes seconds here. Those of packages want it: they count
// what their own process has open.
const isolation = args.some((arg) => arg.startsWith('packages/')) ? [] : ['--no-isolate'];
process.exitCode = run(
  [vitest, 'run', '--project=kernel', ...isolation, ...reporters, ...args],
  // What a test needs is here, or the laboratory is broken: nothing is skipped.
  {
    ...process.env,
    OXMEM_REQUIRE: 'all,addon,nbd',
    OXMEM_NETNS: readlinkSync('/proc/self/ns/net'),
    OXMEM_GUEST: '1',
  },
);
