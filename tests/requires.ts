/**
 * Gates: what a test needs from the machine. A test that cannot run here is registered as skipped
 * and carries its reason to the report at the end of `npm test`; it is never silently passed.
 *
 * `OXMEM_REQUIRE=netns,command:fio` (or `all`) turns the skip into a failure, for machines that must
 * be able to run it.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, closeSync, constants, existsSync, openSync, readFileSync } from 'node:fs';
import { describe, it } from 'vitest';
import { fullPath, hasCommand, installRemedy } from '../scripts/debian-packages.mjs';
import { isRealRoot } from '../scripts/kernel-lab/host-kernel.mjs';
import type { FreshInstall } from '../scripts/packing/fresh-install.mjs';
import { isInPrivateNetwork } from './netns.ts';

/**
 * What a test can need:
 *
 * - `root`: user id 0, also inside a user namespace
 * - `real-root`: user id 0 of the machine (to mount a block device, for instance)
 * - `netns`: this process runs in a network namespace of its own and can make a second one
 * - `raw-socket`: the capability CAP_NET_RAW
 * - `nbd`: the kernel's NBD driver
 * - `nbd-netlink`: its netlink interface, from this process' network namespace
 * - `test-guest`: the kernel and the machine are a guest made for the tests
 * - `loop`: loop devices that may be mounted
 * - `fuse`: FUSE mounts
 * - `command:NAME`: the program NAME
 * - `fresh-install`: the packed packages were installed by npm test
 * - `asked:NAME`: somebody has asked for it, by `pnpm test:NAME`, because it takes long
 */
export type Need =
  | 'root'
  | 'real-root'
  | 'netns'
  | 'raw-socket'
  | 'nbd'
  | 'nbd-netlink'
  | 'test-guest'
  | 'loop'
  | 'fuse'
  | 'fresh-install'
  | `command:${string}`
  | `asked:${string}`;

/**
 * Says whether this machine has something.
 *
 * @param need what is asked for
 * @returns why it is not there, in words for a person; undefined: it is there
 */
export function missingReason(need: Need): string | undefined {
  if (need.startsWith('command:')) return missingCommand(need.slice('command:'.length));
  if (need.startsWith('asked:')) return missingDemand(need.slice('asked:'.length));
  return gates[need as keyof typeof gates]();
}

/**
 * Says why a test cannot run here.
 *
 * @param needs all that it needs
 * @returns the reasons in one line; undefined: it can run
 */
export function whyNot(needs: readonly Need[]): string | undefined {
  const reasons = needs.map(missingReason).filter((reason) => reason !== undefined);
  return reasons.length === 0 ? undefined : reasons.join('; ');
}

/**
 * Like `describe`, for tests that need something of the machine. Where it is missing, neither hooks
 * nor tests of the block run, and each test in it is reported as skipped with the reason.
 *
 * @param needs what all tests of the block need
 * @param name as for `describe`
 * @param define registers hooks and tests
 */
export function describeRequiring(needs: readonly Need[], name: string, define: () => void): void {
  const reason = whyNot(needs);
  if (reason === undefined) describe(name, define);
  else if (isDemanded(needs)) describe(name, () => failForGood(reason));
  else describe(name, { skip: true, meta: { skipReason: reason } }, define);
}

/**
 * Like `it`, for one test that needs something of the machine.
 *
 * @param needs what the test needs
 * @param name as for `it`
 * @param test the test itself
 * @param timeoutMs as for `it`
 * @public
 */
export function itRequiring(
  needs: readonly Need[],
  name: string,
  test: () => void | Promise<void>,
  timeoutMs?: number,
): void {
  const timeout = timeoutMs === undefined ? {} : { timeout: timeoutMs };
  const reason = whyNot(needs);
  if (reason === undefined) it(name, timeout, test);
  else if (isDemanded(needs)) describe(name, () => failForGood(reason));
  else it(name, { ...timeout, skip: true, meta: { skipReason: reason } }, test);
}

declare module 'vitest' {
  interface TaskMeta {
    /** Why a test was skipped; the report of `npm test` shows it. */
    skipReason?: string;
  }
}

function isDemanded(needs: readonly Need[]): boolean {
  const demanded = new Set((process.env['OXMEM_REQUIRE'] ?? '').split(',').map((n) => n.trim()));
  const isMissingOne = (need: Need): boolean =>
    (demanded.has(need) || (demanded.has('all') && !need.startsWith('asked:'))) &&
    missingReason(need) !== undefined;
  return needs.some(isMissingOne);
}

function failForGood(reason: string): void {
  it('can run, as OXMEM_REQUIRE demands', () => {
    throw new Error(reason);
  });
}

function missingCommand(name: string): string | undefined {
  return hasCommand(name) ? undefined : `${name} is not installed (${installRemedy([name])})`;
}

function missingDemand(name: string): string | undefined {
  const asked = (process.env['OXMEM_ASKED'] ?? '').split(',');
  return asked.includes(name) ? undefined : `takes long; runs when asked for: pnpm test:${name}`;
}

const gates = {
  root: () => (process.getuid?.() === 0 ? undefined : 'needs root or a user namespace'),
  'real-root': () => (isRealRoot() ? undefined : 'needs root of the machine'),
  netns: () =>
    isInPrivateNetwork() ? undefined : 'needs a network namespace of its own (run by npm test)',
  'raw-socket': () =>
    hasCapability(CAP_NET_RAW) ? undefined : 'needs CAP_NET_RAW (root, or a user namespace)',
  nbd: () => {
    if (!existsSync('/sys/module/nbd') && !existsSync('/dev/nbd0')) {
      return 'the kernel has no nbd driver (sudo modprobe nbd max_part=8)';
    }
    return cannotOpen('/dev/nbd0');
  },
  'nbd-netlink': () => missingNetlink(),
  'test-guest': () =>
    process.env['OXMEM_GUEST'] === '1' ? undefined : 'is about the guest that tests run in',
  loop: () => (isRealRoot() ? cannotOpen('/dev/loop-control') : 'needs root of the machine'),
  fuse: () => missingCommand('fusermount3') ?? cannotOpen('/dev/fuse'),
  'fresh-install': () => missingInstall(),
} satisfies Record<string, () => string | undefined>;

/** What went wrong for another reason than the network is for the test to say. */
function missingInstall(): string | undefined {
  const file = process.env['OXMEM_FRESH_INSTALL'];
  if (file === undefined) return 'needs the packed packages installed (run by npm test)';
  const installs = JSON.parse(readFileSync(file, 'utf8')) as FreshInstall[];
  const isOffline = installs.some((each) => each.isOffline === true);
  return isOffline ? 'npm does not reach its registry' : undefined;
}

/** Before Linux 6.11 the family exists in the first network namespace only. */
function missingNetlink(): string | undefined {
  const { stdout } = spawnSync('genl', ['ctrl', 'list'], {
    env: { ...process.env, PATH: fullPath() },
    encoding: 'utf8',
  });
  if (/Name: nbd$/m.test(stdout ?? '')) return undefined;
  return "the NBD driver's netlink family is not to be seen from this network namespace";
}

function hasCapability(bit: number): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return mask !== undefined && ((BigInt(`0x${mask}`) >> BigInt(bit)) & 1n) === 1n;
}

function cannotOpen(device: string): string | undefined {
  try {
    accessSync(device, constants.R_OK | constants.W_OK);
    closeSync(openSync(device, 'r+'));
    return undefined;
  } catch (error) {
    return `${device} cannot be opened (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`;
  }
}

const CAP_NET_RAW = 13;
