import { execFileSync } from 'node:child_process';
import { existsSync, readlinkSync, writeFileSync } from 'node:fs';
import { loadBinding } from '../src/load-binding.ts';

/**
 * Why the native tests cannot run here; undefined if they can. Prints the reason, because a test
 * that did not run must be seen. OXMEM_REQUIRE=netns,addon makes it an error.
 */
export function obstacleToNativeTests(): string | undefined {
  const found = addonObstacle() ?? namespaceObstacle();
  if (found === undefined) return undefined;
  if ((process.env.OXMEM_REQUIRE ?? '').split(',').includes(found.need)) {
    throw new Error(`OXMEM_REQUIRE asks for ${found.need}, but ${found.reason}`);
  }
  process.stderr.write(`native tests of rawsock skipped: ${found.reason}\n`);
  return found.reason;
}

/** Joins two new interfaces by a cable, both up, silent by themselves. */
export function addVethPair(left: string, right: string, mtuBytes: number): void {
  ip('link', 'add', left, 'mtu', `${mtuBytes}`, 'type', 'veth', 'peer', 'name', right);
  ip('link', 'set', right, 'mtu', `${mtuBytes}`);
  for (const name of [left, right]) {
    const switchOff = `/proc/sys/net/ipv6/conf/${name}/disable_ipv6`;
    if (existsSync(switchOff)) writeFileSync(switchOff, '1');
    ip('link', 'set', name, 'up');
  }
}

/** Removes an interface (and with it the other end of its cable) if it is still there. */
export function removeInterface(name: string): void {
  if (existsInterface(name)) ip('link', 'delete', name);
}

export function existsInterface(name: string): boolean {
  return loadBinding().interfaceInfo(name) !== undefined;
}

/** Runs iproute2's `ip`. */
export function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Runs iproute2's `tc`. */
export function tc(...args: string[]): void {
  execFileSync('tc', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

interface Obstacle {
  readonly need: 'addon' | 'netns';
  readonly reason: string;
}

function addonObstacle(): Obstacle | undefined {
  try {
    loadBinding();
    return undefined;
  } catch (error) {
    return { need: 'addon', reason: (error as Error).message };
  }
}

/** Test frames stay inside a network namespace that was made for them. */
function namespaceObstacle(): Obstacle | undefined {
  const need = 'netns';
  if (!isPrivateNamespace()) {
    return {
      need,
      reason:
        'this is the network namespace of the machine; run under `unshare -n` (root) or ' +
        '`unshare -Urn` (anybody)',
    };
  }
  try {
    addVethPair('oxprobe0', 'oxprobe1', 1500);
    removeInterface('oxprobe0');
    return undefined;
  } catch (error) {
    return { need, reason: `no veth pair can be made: ${(error as Error).message.trim()}` };
  }
}

function isPrivateNamespace(): boolean {
  if (process.env.OXMEM_NETNS === '1') return true;
  try {
    return readlinkSync('/proc/self/ns/net') !== readlinkSync('/proc/1/ns/net');
  } catch {
    // The first process may be out of sight, even for root. A namespace in which there is nothing
    // but loopback, the kernel's own tunnel ends and what tests made, is nobody's network.
    return loadBinding()
      .listInterfaces()
      .every((name) => OWN_INTERFACES.test(name));
  }
}

const OWN_INTERFACES =
  /^(lo|ox.*|tunl0|gre0|gretap0|erspan0|sit0|ip6tnl0|ip6gre0|ip_vti0|ip6_vti0)$/;
