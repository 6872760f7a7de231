import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { openVethLab } from '../scripts/netns.mjs';
import { Child } from './children.mjs';
import { nativeProgram } from './native-programs.mjs';
import { shares } from './shares.mjs';

/**
 * What is running while something is measured.
 *
 * @typedef {object} SceneSpec
 * @property {'export' | 'kernel' | 'link' | 'memory' | 'nbdkit'} path
 *   `export`: clients, NBD socket, driver, wire, endpoint: what a user of an export gets;
 *   `kernel`: the same with the sockets that the kernel's client gets;
 *   `link`: an initiator on the raw socket, wire, endpoint: the protocol without NBD;
 *   `memory`: initiator and endpoint in one process, without a wire;
 *   `nbdkit`: clients and `nbdkit memory`: NBD without anything behind it
 * @property {number} mtuBytes
 * @property {number} maxRequestBytes largest TileLink access
 * @property {number} clients connections to the export, or devices
 * @property {number} busyPollMicros of the driver, or the initiator
 * @property {number} endpointPollMicros of the endpoint
 * @property {string | undefined} fault of the endpoint
 * @property {boolean} [isWatched] the driver writes a stats file and is scraped, both each second
 */

/**
 * Connections from number `first` on that all do the same.
 *
 * @typedef {object} LoadGroup
 * @property {number} first
 * @property {number} count
 * @property {import('./load-run.mjs').Workload} workload
 */

/**
 * One measurement of the first group; whoever made it, in the same units.
 *
 * @typedef {object} Measurement
 * @property {number} seconds
 * @property {number} megabytesPerSecond payload, 10^6 bytes
 * @property {number} requestsPerSecond
 * @property {{ p50: number, p99: number, p999: number }} latencyMicros
 * @property {Record<string, number>} cpuMicrosPerRequest by role, user and system
 * @property {Record<string, number>} cpuMicrosPerFrame by role, frames sent and received
 * @property {number[]} connectionRates requests a second of each connection
 */

const READY_MILLIS = 15_000;
const ANSWER_MILLIS = 120_000;
/** Nobody else is in the network namespace of the benchmark. */
const FIRST_METRICS_PORT = 9464;
const require = createRequire(import.meta.url);
const programs = {
  driver: join(dirname(require.resolve('oxmem-bdev/package.json')), 'bin', 'oxmem-bdev.js'),
  driverModules: join(dirname(require.resolve('oxmem-bdev/package.json')), 'dist', 'main.js'),
  kernelDriver: join(import.meta.dirname, 'kernel-style-driver.mjs'),
  endpoint: join(
    dirname(require.resolve('@oxmem/sim-endpoint/package.json')),
    'bin',
    'oxmem-sim-endpoint.js',
  ),
  load: join(import.meta.dirname, 'load-process.mjs'),
};
let scenes = 0;

/** The programs of a spec, up and running: server or driver and endpoint, and what makes load. */
export class Scene {
  spec;
  /** The wire; none for `memory` and `nbdkit`. @type {import('../scripts/netns.mjs').VethLab | undefined} */
  lab;
  #options;
  #number = scenes++;
  /** In the order of their start. @type {{ role: string, child: Child }[]} */
  #children = [];
  /** @type {Child | undefined} */
  #load;
  #hasWritten = false;
  /** How often the metrics of a watched driver were read. */
  scrapes = 0;
  /** From the start of the driver's process to its ready line. */
  driverStartMillis = NaN;

  /**
   * @param {SceneSpec} spec
   * @param {{ folder: string, bench: import('./options.mjs').BenchOptions,
   *   nodeArgs?: string[], driverMessages?: boolean, driverModules?: boolean }} options
   *   `folder`: for sockets; `nodeArgs`: for the driver; `driverMessages`: the driver is spoken to
   *   by messages; `driverModules`: it runs from its modules, so that a profile tells them apart
   */
  constructor(spec, options) {
    this.spec = spec;
    this.#options = options;
  }

  /** Starts everything, fills the memory and reads it back once. */
  async start() {
    await this.startServer();
    await this.startLoad();
  }

  /** Starts all but the load. @returns {Promise<void>} */
  async startServer() {
    const { path, mtuBytes } = this.spec;
    if (path === 'memory') return;
    if (path === 'nbdkit') {
      await this.#startNbdkit();
      return;
    }
    this.lab = await openVethLab({ mtuBytes, localPrefix: `ox${this.#number}l` });
    await this.#startEndpoint(this.lab);
    if (path !== 'link') await this.#startDriver(this.lab);
  }

  async startLoad() {
    const isNbd = ['export', 'kernel', 'nbdkit'].includes(this.spec.path);
    await (isNbd ? this.#startNbdLoad() : this.#startInitiator());
  }

  /** @param {string} role */
  childOf(role) {
    const found = this.#children.find((each) => each.role === role);
    if (found === undefined) throw new Error(`this scene has no ${role}`);
    return found.child;
  }

  /**
   * @param {readonly LoadGroup[]} groups
   * @param {{ seconds: number, warmUpSeconds: number }} times
   * @returns {Promise<Measurement>} of the first group
   */
  async run(groups, times) {
    this.#hasWritten ||= groups.some(({ workload }) => workload.kind === 'write');
    const { path } = this.spec;
    if (path === 'link' || path === 'memory') return this.#runInitiator(groups, times);
    const words = groups.map(({ first, count, workload }) => {
      const { kind, order, requestBytes, depth } = workload;
      return `${first} ${count} ${kind} ${order} ${requestBytes} ${depth}`;
    });
    const { seconds, warmUpSeconds } = times;
    const load = this.#loadChild();
    const answer = await load.ask(
      `run ${seconds} ${warmUpSeconds} ${words.join(' ')}`,
      1000 * (seconds + warmUpSeconds) + ANSWER_MILLIS,
    );
    return measurementOf(JSON.parse(answer));
  }

  /**
   * Reads the whole memory once if it was written to, and ends everything, in good order.
   *
   * @throws {Error} when a byte is wrong, or a program did not end well
   */
  async finish() {
    const load = this.#load;
    if (this.spec.isWatched === true && this.scrapes === 0) {
      throw new Error('the metrics of the watched driver could not be read once');
    }
    if (load !== undefined) {
      if (this.#hasWritten && load.process.stdin !== null) await load.ask('verify', ANSWER_MILLIS);
      load.process.stdin?.end();
      if (load.process.connected) load.process.send({ close: true });
      await load.succeeded();
    }
    for (const { child } of this.#children.toReversed()) {
      await child.stop();
      await child.succeeded();
    }
    await this.lab?.close();
  }

  /** Ends everything, whatever state it is in. */
  async stop() {
    await this.#load?.stop();
    for (const { child } of this.#children.toReversed()) await child.stop();
    await this.lab?.close();
  }

  get #socketPath() {
    return join(this.#options.folder, `export-${this.#number}.sock`);
  }

  async #startNbdkit() {
    const place = ['--unix', this.#socketPath, '--pidfile', `${this.#socketPath}.pid`];
    const size = String(this.#options.bench.sizeBytes);
    const argv = ['nbdkit', '--foreground', ...place, 'memory', size];
    this.#children.push({ role: 'nbdkit', child: new Child('nbdkit', argv) });
    // The pid file comes when it listens.
    const deadline = performance.now() + READY_MILLIS;
    while (!existsSync(`${this.#socketPath}.pid`)) {
      if (performance.now() > deadline) throw new Error('nbdkit does not start');
      await setTimeout(10);
    }
  }

  /** @param {import('../scripts/netns.mjs').VethLab} lab */
  async #startEndpoint(lab) {
    const { fault, endpointPollMicros } = this.spec;
    const args = [
      `--netdev=${lab.peer.name}`,
      `--size=${this.#options.bench.sizeBytes}`,
      '--log-level=warn',
      ...(fault === undefined ? [] : [`--fault=${fault}`, '--seed=1']),
      ...(endpointPollMicros === 0 ? [] : [`--busy-poll=${endpointPollMicros}us`]),
    ];
    const argv = [process.execPath, ...this.#profilerArgs('endpoint'), programs.endpoint, ...args];
    const child = new Child('the endpoint', argv, { enter: lab.peerArgv });
    this.#children.push({ role: 'endpoint', child });
    await child.ready('ready:', READY_MILLIS);
  }

  /** @param {import('../scripts/netns.mjs').VethLab} lab */
  async #startDriver(lab) {
    const { spec } = this;
    const { bench, nodeArgs = [], driverMessages = false, driverModules = false } = this.#options;
    const isKernel = spec.path === 'kernel';
    const args = [
      `--netdev=${lab.local.name}`,
      `--mac=${lab.peer.mac}`,
      `--size=${bench.sizeBytes}`,
      `--max-request=${spec.maxRequestBytes}`,
      '--log-level=warn',
      ...(isKernel ? [`--num=${spec.clients}`] : [`--listen=unix:${this.#socketPath}`]),
      ...(spec.busyPollMicros === 0 ? [] : [`--busy-poll=${spec.busyPollMicros}us`]),
      ...this.#watchArgs(),
      ...bench.driverArgs,
    ];
    const exportDriver = driverModules ? programs.driverModules : programs.driver;
    const program = isKernel ? programs.kernelDriver : exportDriver;
    const argv = [process.execPath, ...nodeArgs, ...this.#profilerArgs('driver'), program, ...args];
    const talks = isKernel ? 'lines' : driverMessages ? 'messages' : undefined;
    const startedAt = performance.now();
    const child = new Child('the driver', argv, talks === undefined ? {} : { talks });
    this.#children.push({ role: 'driver', child });
    await child.ready('ready:', READY_MILLIS);
    this.driverStartMillis = performance.now() - startedAt;
    if (spec.isWatched !== true) return;
    // A short run may end before the second time.
    await this.#scrape();
    this.#watch(child);
  }

  #watchArgs() {
    if (this.spec.isWatched !== true) return [];
    const path = join(this.#options.folder, `stats-${this.#number}.json`);
    return [`--stats-file=${path}`, '--stats-interval=1', `--metrics=${this.#metricsPort}`];
  }

  get #metricsPort() {
    return FIRST_METRICS_PORT + this.#number;
  }

  /**
   * Reads the metrics as Prometheus would, until the driver has ended.
   *
   * @param {Child} driver
   */
  #watch(driver) {
    const timer = setInterval(() => void this.#scrape(), 1000);
    void driver.ended.then(() => clearInterval(timer));
  }

  async #scrape() {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.#metricsPort}/metrics`);
      if ((await answer.text()).includes('oxmem_device_latency_seconds_count')) this.scrapes++;
    } catch {
      // `finish` looks whether it was ever read.
    }
  }

  /** Where the clients find their memories, one target for each. */
  #targets() {
    const { path, clients } = this.spec;
    if (path !== 'kernel')
      return Array.from({ length: clients }, () => `unix:${this.#socketPath}:`);
    const { pid, output } = this.childOf('driver');
    return [...output.matchAll(/^socket (\d+) (\d+)$/gm)].map(
      ([, descriptor, bytes]) => `fd:${pid}:${descriptor}:${bytes}`,
    );
  }

  async #startNbdLoad() {
    const cpu = this.#children.map(({ role, child }) => `cpu:${role}:${child.pid}`);
    const frames = this.lab === undefined ? [] : [`frames:${this.lab.local.name}`];
    const argv = [nativeProgram('nbd-load'), ...cpu, ...frames, ...this.#targets()];
    this.#load = new Child('the load generator', argv, { talks: 'lines' });
    await this.#load.ready('{"connections"', READY_MILLIS);
    if (this.spec.path === 'kernel') this.childOf('driver').process.stdin?.write('fetched\n');
    for (const pass of ['fill', 'verify']) await this.#load.ask(pass, ANSWER_MILLIS);
  }

  async #startInitiator() {
    const { path, mtuBytes, maxRequestBytes, busyPollMicros } = this.spec;
    const argv = [process.execPath, ...this.#profilerArgs('client'), programs.load];
    const load = new Child('the load generator', argv, { talks: 'messages' });
    this.#load = load;
    const { sizeBytes } = this.#options.bench;
    const place = { netdev: this.lab?.local.name, peerMac: this.lab?.peer.mac, busyPollMicros };
    await this.#tell({ connect: { path, sizeBytes, mtuBytes, maxRequestBytes, ...place } });
  }

  /**
   * @param {readonly LoadGroup[]} groups
   * @param {{ seconds: number, warmUpSeconds: number }} times
   * @returns {Promise<Measurement>}
   */
  async #runInitiator([group], { seconds, warmUpSeconds }) {
    const pids = Object.fromEntries(this.#children.map(({ role, child }) => [role, child.pid]));
    const order = { workload: group?.workload, seconds, warmUpSeconds, pids };
    return /** @type {Measurement} */ (await this.#tell({ row: order }));
  }

  #loadChild() {
    if (this.#load === undefined) throw new Error('this scene has no load');
    return this.#load;
  }

  /** @param {string} role */
  #profilerArgs(role) {
    const { cpuProf } = this.#options.bench;
    if (cpuProf === undefined) return [];
    const name = `${this.#number}-${this.spec.path}-${this.spec.mtuBytes}-${role}.cpuprofile`;
    return ['--cpu-prof', `--cpu-prof-dir=${cpuProf}`, `--cpu-prof-name=${name}`];
  }

  /**
   * One message to the load process and its answer.
   *
   * @param {object} order
   * @returns {Promise<unknown>}
   * @throws {Error} what the load process says, or that a program has ended meanwhile
   */
  async #tell(order) {
    const load = this.#loadChild();
    const answer = new Promise((resolve) => load.process.once('message', resolve));
    const deaths = [load, ...this.#children.map(({ child }) => child)].map((child) =>
      child.ended.then(() => ({ failure: child.describeEnd() })),
    );
    load.process.send(order);
    const { result, failure } = await Promise.race([answer, ...deaths]);
    if (failure !== undefined) throw new Error(failure);
    return result;
  }
}

/**
 * @param {{ seconds: number, frames: number, cpuSeconds: Record<string, number>,
 *   groups: { requests: number, megabytesPerSecond: number, requestsPerSecond: number,
 *     latencyMicros: Measurement['latencyMicros'], connectionRates: number[] }[] }} answer of nbd-load
 * @returns {Measurement}
 */
function measurementOf({ seconds, frames, cpuSeconds, groups }) {
  const [first] = groups;
  if (first === undefined) throw new Error('a run without a group');
  const all = groups.reduce((sum, { requests }) => sum + requests, 0);
  const { megabytesPerSecond, requestsPerSecond, latencyMicros, connectionRates } = first;
  return {
    seconds,
    megabytesPerSecond,
    requestsPerSecond,
    latencyMicros,
    connectionRates,
    cpuMicrosPerRequest: shares(cpuSeconds, all),
    cpuMicrosPerFrame: frames === 0 ? {} : shares(cpuSeconds, frames),
  };
}
