/**
 * Network namespaces without names, so that nothing can be left behind.
 *
 * A program that needs a network of its own is started by `privateNetworkPrefix()` in a fresh
 * anonymous namespace. From inside it, `openVethLab()` makes a second one, kept alive by a holder
 * process, and joins the two by veth pairs. The holder ends when its standard input closes, so even
 * a SIGKILL of the owner takes the second namespace and the wire with it.
 *
 * Works for root, and for an ordinary user where the kernel allows user namespaces.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readlinkSync } from 'node:fs';
import { fullPath, installRemedy, missingCommands, networkCommands } from './debian-packages.mjs';

/** Names the namespace that we made, so that no process takes the machine's own for it. */
const markVariable = 'OXMEM_NETNS';
const enterScript = [
  'ip link set lo up || exit 70',
  `${markVariable}=$(readlink /proc/self/ns/net) || exit 70`,
  `export ${markVariable}`,
  'exec "$@"',
].join('\n');

/**
 * @typedef {object} LabInterface
 * @property {string} name interface name
 * @property {string} mac six hexadecimal bytes, lower case, separated by colons
 */

/**
 * @typedef {object} VethLab
 * @property {LabInterface} local the (first) interface in our own namespace
 * @property {LabInterface[]} locals all interfaces in our own namespace
 * @property {LabInterface} peer the interface in the second namespace
 * @property {number} mtuBytes MTU of all of them
 * @property {number} peerPid process id of the holder of the second namespace
 * @property {(argv: readonly string[]) => string[]} peerArgv the command line that runs `argv` in the
 *   second namespace; the program keeps the process id that spawn returns
 * @property {(argv: readonly string[]) => string} runInPeer runs a program there to its end and
 *   returns its standard output; throws with its standard error when it fails
 * @property {() => Promise<void>} close takes everything down; harmless when repeated
 */

/**
 * The command line prefix that runs a program in a network and mount namespace of its own with `lo`
 * up, as root or inside a user namespace.
 *
 * @returns {{ argv: string[], reason?: undefined } | { argv?: undefined, reason: string }} the prefix,
 *   or why this machine does not let us
 */
export function privateNetworkPrefix() {
  const missing = missingCommands(networkCommands);
  if (missing.length > 0) {
    return { reason: `${missing.join(', ')} missing (${installRemedy(missing)})` };
  }
  const ways = process.getuid?.() === 0 ? [['-n', '-m'], ['-Urnm']] : [['-Urnm']];
  let reason = '';
  for (const way of ways) {
    const argv = ['unshare', ...way, '--', 'sh', '-c', enterScript, 'sh'];
    const [program, ...args] = [...argv, 'true'];
    const probe = spawnSync(program, args, { env: pathEnv(), encoding: 'utf8', timeout: 20_000 });
    if (probe.status === 0) return { argv };
    reason = (probe.error?.message ?? probe.stderr).trim().split('\n')[0] ?? '';
  }
  return { reason: `no network namespace allowed here: ${reason}` };
}

/**
 * @returns {boolean} whether this process runs in a namespace that `privateNetworkPrefix` made
 */
export function isInPrivateNetwork() {
  const mark = process.env[markVariable];
  return mark !== undefined && mark !== '' && mark === readlinkSync('/proc/self/ns/net');
}

/**
 * Makes the second namespace and the wire. IPv6 is off on all interfaces, so that nothing but the
 * test's own frames crosses. With more than one local interface, their far ends meet in a bridge,
 * and the bridge is the peer interface.
 *
 * @param {{ mtuBytes?: number, localCount?: number, localPrefix?: string, peerName?: string }}
 *   [options] names unless told: oxl0, oxl1, ... here, oxp0 there; MTU 1500; one local interface
 * @returns {Promise<VethLab>}
 * @throws {Error} outside of a private namespace, or with the message of the tool that failed
 */
export async function openVethLab(options = {}) {
  const { mtuBytes = 1500, localCount = 1, localPrefix = 'oxl', peerName = 'oxp0' } = options;
  if (!isInPrivateNetwork()) {
    throw new Error('openVethLab runs only in a namespace of its own; start it through npm test');
  }
  const holder = await startHolder();
  const names = Array.from({ length: localCount }, (_, index) => `${localPrefix}${index}`);
  /** @param {readonly string[]} argv */
  const peerArgv = (argv) => ['nsenter', '-t', String(holder.pid), '-n', '--', ...argv];
  /** @param {readonly string[]} argv */
  const runInPeer = (argv) => run(peerArgv(argv));
  const close = () => closeLab(holder.child, names);
  try {
    const isBridged = localCount > 1;
    for (const [index, name] of names.entries()) {
      const farName = isBridged ? `${peerName}p${index}` : peerName;
      addPair({ name, farName, mtuBytes, holderPid: holder.pid });
    }
    const farNames = isBridged ? names.map((_, index) => `${peerName}p${index}`) : [peerName];
    if (isBridged) addBridge(peerName, farNames, { mtuBytes, runInPeer });
    for (const name of names) bringUp(name, run);
    for (const name of new Set([...farNames, peerName])) bringUp(name, runInPeer);
    await waitForCarrier(names, farNames, runInPeer);
    const locals = names.map((name) => ({ name, mac: macOf(name, run) }));
    const [local] = locals;
    if (local === undefined) throw new Error('a lab has at least one local interface');
    const peer = { name: peerName, mac: macOf(peerName, runInPeer) };
    return { local, locals, peer, mtuBytes, peerPid: holder.pid, peerArgv, runInPeer, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** @typedef {(argv: readonly string[]) => string} Runner */

/** @returns {NodeJS.ProcessEnv} */
function pathEnv() {
  return { ...process.env, PATH: fullPath() };
}

/** @type {Runner} */
function run(argv) {
  const [program = '', ...args] = argv;
  const result = spawnSync(program, args, { env: pathEnv(), encoding: 'utf8', timeout: 60_000 });
  if (result.status === 0) return result.stdout;
  const cause = result.error?.message ?? result.stderr.trim();
  throw new Error(`${argv.join(' ')}: ${cause}`);
}

async function startHolder() {
  const argv = ['-n', '--', 'sh', '-c', 'echo held; exec cat'];
  const child = spawn('unshare', argv, { env: pathEnv(), stdio: ['pipe', 'pipe', 'inherit'] });
  const failed = once(child, 'exit').then(() => {
    throw new Error('the holder of the second namespace did not start');
  });
  await Promise.race([once(child.stdout, 'data'), failed]);
  failed.catch(() => undefined);
  if (child.pid === undefined) throw new Error('the holder has no process id');
  return { child, pid: child.pid };
}

/** @param {{ name: string, farName: string, mtuBytes: number, holderPid: number }} pair */
function addPair({ name, farName, mtuBytes, holderPid }) {
  const mtu = String(mtuBytes);
  const near = ['ip', 'link', 'add', name, 'mtu', mtu, 'type', 'veth'];
  run([...near, 'peer', 'name', farName, 'mtu', mtu, 'netns', String(holderPid)]);
}

/**
 * @param {string} name
 * @param {readonly string[]} members
 * @param {{ mtuBytes: number, runInPeer: Runner }} lab
 */
function addBridge(name, members, { mtuBytes, runInPeer }) {
  const add = ['ip', 'link', 'add', name, 'mtu', String(mtuBytes), 'type', 'bridge'];
  runInPeer([...add, 'mcast_snooping', '0', 'stp_state', '0', 'forward_delay', '0']);
  for (const member of members) runInPeer(['ip', 'link', 'set', member, 'master', name]);
}

/**
 * @param {string} name
 * @param {Runner} runner in the namespace of the interface
 */
function bringUp(name, runner) {
  runner(['ip', 'link', 'set', name, 'addrgenmode', 'none']);
  // Without this the kernel still announces multicast groups. Where /proc/sys is read-only it stays.
  const setting = `/proc/sys/net/ipv6/conf/${name}/disable_ipv6`;
  runner(['sh', '-c', `echo 1 2>/dev/null >${setting} || true`]);
  runner(['ip', 'link', 'set', name, 'up']);
}

/**
 * @param {readonly string[]} names
 * @param {readonly string[]} farNames
 * @param {Runner} runInPeer
 */
async function waitForCarrier(names, farNames, runInPeer) {
  /** @param {string} name @param {Runner} runner */
  const isUp = (name, runner) => / state UP /.test(runner(['ip', '-o', 'link', 'show', name]));
  for (let attempt = 0; attempt < 200; attempt++) {
    if (names.every((name) => isUp(name, run)) && farNames.every((name) => isUp(name, runInPeer))) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`no carrier on ${names.join(', ')} within two seconds`);
}

/**
 * @param {string} name
 * @param {Runner} runner
 * @returns {string}
 */
function macOf(name, runner) {
  const mac = /link\/ether ([0-9a-f:]{17})/.exec(runner(['ip', '-o', 'link', 'show', name]))?.[1];
  if (mac === undefined) throw new Error(`interface ${name} has no MAC address`);
  return mac;
}

/**
 * @param {import('node:child_process').ChildProcess} holder
 * @param {readonly string[]} names
 */
async function closeLab(holder, names) {
  const interfaces = readFileSync('/proc/self/net/dev', 'utf8');
  for (const name of names) {
    if (interfaces.includes(`${name}:`)) run(['ip', 'link', 'del', name]);
  }
  if (holder.exitCode !== null || holder.signalCode !== null) return;
  const ended = once(holder, 'exit');
  holder.kill('SIGKILL');
  await ended;
}
