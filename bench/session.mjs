import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Child } from './children.mjs';

/** @typedef {import('./load-run.mjs').LoadResult} LoadResult */

/**
 * @typedef {object} SessionOptions
 * @property {import('../scripts/netns.mjs').VethLab} lab
 * @property {string} folder for the socket
 * @property {import('./options.mjs').BenchOptions} bench
 */

const READY_MILLIS = 15_000;
const require = createRequire(import.meta.url);
const programs = {
  driver: join(dirname(require.resolve('oxmem-bdev/package.json')), 'bin', 'oxmem-bdev.js'),
  endpoint: join(
    dirname(require.resolve('@oxmem/sim-endpoint/package.json')),
    'bin',
    'oxmem-sim-endpoint.js',
  ),
};

/** The programs of one block, up and running: endpoint and driver as the path needs, and the load. */
export class Session {
  #block;
  #options;
  /** In the order of their start. @type {{ role: string, child: Child }[]} */
  #children = [];
  /** @type {Child | undefined} */
  #load;

  /**
   * @param {import('./plan.mjs').Block} block
   * @param {SessionOptions} options
   */
  constructor(block, options) {
    this.#block = block;
    this.#options = options;
  }

  /** Starts everything, fills the memory and reads it back once. */
  async start() {
    const { path, setting } = this.#block;
    const { lab, folder, bench } = this.#options;
    const socketPath = join(folder, 'export.sock');
    if (path !== 'memory') await this.#startEndpoint();
    if (path === 'nbd') await this.#startDriver(socketPath);
    const program = join(import.meta.dirname, 'load-process.mjs');
    const argv = [process.execPath, ...this.#profilerArgs('client'), program];
    this.#load = new Child('the load generator', argv, { hasChannel: true });
    const { mtuBytes, maxRequestBytes } = setting;
    const place = { socketPath, netdev: lab.local.name, peerMac: lab.peer.mac };
    const sizes = { sizeBytes: bench.sizeBytes, mtuBytes, maxRequestBytes };
    await this.#ask({ connect: { path, ...sizes, ...place } });
  }

  /**
   * @param {import('./load-run.mjs').Workload} workload
   * @returns {Promise<LoadResult>}
   */
  async runRow(workload) {
    const { seconds, warmUpSeconds } = this.#options.bench;
    const pids = Object.fromEntries(this.#children.map(({ role, child }) => [role, child.pid]));
    return /** @type {LoadResult} */ (
      await this.#ask({ row: { workload, seconds, warmUpSeconds, pids } })
    );
  }

  /**
   * Ends everything, in good order.
   *
   * @throws {Error} when a program did not end well
   */
  async finish() {
    const load = this.#load;
    if (load !== undefined) {
      load.process.send({ close: true });
      await load.succeeded();
    }
    for (const { child } of this.#children.toReversed()) {
      await child.stop();
      await child.succeeded();
    }
  }

  /** Ends everything, whatever state it is in. */
  async stop() {
    await this.#load?.stop();
    for (const { child } of this.#children.toReversed()) await child.stop();
  }

  async #startEndpoint() {
    const { lab, bench } = this.#options;
    const args = [`--netdev=${lab.peer.name}`, `--size=${bench.sizeBytes}`, '--log-level=warn'];
    await this.#startProgram('endpoint', args, lab.peerArgv);
  }

  /** @param {string} socketPath */
  async #startDriver(socketPath) {
    const { lab, bench } = this.#options;
    const place = [`--netdev=${lab.local.name}`, `--mac=${lab.peer.mac}`];
    const sizes = [
      `--size=${bench.sizeBytes}`,
      `--max-request=${this.#block.setting.maxRequestBytes}`,
    ];
    const rest = [`--listen=unix:${socketPath}`, '--log-level=warn', ...bench.driverArgs];
    await this.#startProgram('driver', [...place, ...sizes, ...rest]);
  }

  /**
   * @param {'driver' | 'endpoint'} role
   * @param {string[]} args
   * @param {(argv: readonly string[]) => string[]} [enter]
   */
  async #startProgram(role, args, enter) {
    const argv = [process.execPath, ...this.#profilerArgs(role), programs[role], ...args];
    const child = new Child(`the ${role}`, argv, enter === undefined ? {} : { enter });
    this.#children.push({ role, child });
    await child.ready('ready:', READY_MILLIS);
  }

  /** @param {string} role */
  #profilerArgs(role) {
    const { cpuProf } = this.#options.bench;
    if (cpuProf === undefined) return [];
    const name = `${this.#block.name.replaceAll(' ', '-')}-${role}.cpuprofile`;
    return ['--cpu-prof', `--cpu-prof-dir=${cpuProf}`, `--cpu-prof-name=${name}`];
  }

  /**
   * One message to the load generator and its answer.
   *
   * @param {object} order
   * @returns {Promise<unknown>}
   * @throws {Error} what the load generator says, or that a program has ended meanwhile
   */
  async #ask(order) {
    const load = /** @type {Child} */ (this.#load);
    const answer = new Promise((resolve) => load.process.once('message', resolve));
    const deaths = [load, ...this.#children.map(({ child }) => child)].map((child) =>
      child.ended.then(() => ({ failure: child.describeEnd() })),
    );
    load.process.send(order);
    const { result, failure } = await Promise.race([answer, ...deaths]);
    if (failure !== undefined) throw new Error(`${this.#block.name}: ${failure}`);
    return result;
  }
}
