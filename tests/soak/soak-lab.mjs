/** The wire, the endpoint and the driver of a long run, and everything that can be done to them. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from '../../bench/children.mjs';
import { openVethLab } from '../../scripts/netns.mjs';
import { repositoryRoot } from '../../scripts/repository.mjs';
import { ClientSlot } from './client-slot.mjs';

/** A driver waits so long for its endpoint, and we for a driver. */
const readyMs = 60_000;
const stopMs = 5_000;
const answerMs = 5_000;
const keptLogCharacters = 20_000;
const driverProgram = join(repositoryRoot, 'packages/oxmem-bdev/bin/oxmem-bdev.js');
const endpointProgram = join(import.meta.dirname, 'soak-endpoint.mjs');
const probe = join(import.meta.dirname, 'memory-probe.mjs');

/**
 * What a program takes of the machine; what could not be learned is undefined.
 *
 * @typedef {object} ProcessFigures
 * @property {number} pid
 * @property {number} residentBytes
 * @property {number} descriptors
 * @property {number} threads
 * @property {number} [heapBytes] in use after a collection, as the next two
 * @property {number} [externalBytes] outside of the heap, known to it
 * @property {number} [arrayBufferBytes] of them
 */

/** A program under observation: the child, what it said last, and questions to it. */
class Observed {
  log = '';
  #child;
  #lastId = 0;
  /** @type {Map<number, (answer: any) => void>} */
  #asked = new Map();

  /** @param {string} name @param {readonly string[]} argv @param {(argv: readonly string[]) => string[]} enter */
  constructor(name, argv, enter) {
    // A session of its own: Ctrl-C is for us, who end it in good order.
    const alone = (/** @type {readonly string[]} */ inner) => enter(['setsid', ...inner]);
    const node = [process.execPath, '--expose-gc', '--import', probe];
    this.#child = new Child(name, [...node, ...argv], { enter: alone, talks: 'messages' });
    this.#child.process.stderr?.on('data', (/** @type {Buffer} */ text) => {
      this.log = (this.log + text.toString()).slice(-keptLogCharacters);
    });
    this.#child.process.on('message', (/** @type {any} */ answer) => {
      this.#asked.get(answer.id)?.(answer);
      this.#asked.delete(answer.id);
    });
    this.#child.process.on('error', () => {});
  }

  get pid() {
    return this.#child.pid;
  }

  get hasEnded() {
    const { exitCode, signalCode } = this.#child.process;
    return exitCode !== null || signalCode !== null;
  }

  ready() {
    return this.#child.ready('ready:', readyMs);
  }

  /** @param {NodeJS.Signals} signal */
  kill(signal) {
    if (!this.hasEnded) this.#child.process.kill(signal);
  }

  get ended() {
    return this.#child.ended;
  }

  describeEnd() {
    return this.#child.describeEnd();
  }

  /**
   * @param {'memory' | 'faults' | 'counters'} what
   * @param {object} [details]
   * @returns {Promise<any>} undefined: it does not answer, because it ended or stands still
   */
  ask(what, details = {}) {
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#asked.delete(id);
        resolve(undefined);
      }, answerMs);
      this.#asked.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      if (this.#child.process.connected) {
        this.#child.process.send({ id, ask: what, ...details }, () => {});
      }
    });
  }

  /** @returns {Promise<ProcessFigures | undefined>} undefined: it is no more */
  async figures() {
    const used = await this.ask('memory');
    if (this.hasEnded) return undefined;
    try {
      const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
      const figure = (/** @type {string} */ name) =>
        Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? NaN);
      return {
        pid: this.pid,
        residentBytes: figure('VmRSS') * 1024,
        descriptors: readdirSync(`/proc/${this.pid}/fd`).length,
        threads: figure('Threads'),
        ...(used && {
          heapBytes: used.heapUsed,
          externalBytes: used.external,
          arrayBufferBytes: used.arrayBuffers,
        }),
      };
    } catch {
      return undefined;
    }
  }
}

/** See the head of this file. */
export class SoakLab {
  slot = new ClientSlot();
  /** Drivers and endpoints that were started. */
  starts = { driver: 0, endpoint: 0 };
  #wire;
  #folder;
  #options;
  /** @type {Observed | undefined} */
  #endpoint;
  /** @type {Observed | undefined} */
  #driver;

  /** @param {import('../../scripts/netns.mjs').VethLab} wire @param {LabOptions} options */
  constructor(wire, options) {
    this.#wire = wire;
    this.#options = options;
    this.#folder = mkdtempSync(join(tmpdir(), 'oxmem-soak-'));
  }

  /**
   * Only the wire; the endpoint and the driver are started afterwards.
   *
   * @typedef {{ sizeBytes: number, seed: number, driverArgs?: readonly string[] }} LabOptions
   * @param {LabOptions} options
   */
  static async open(options) {
    return new SoakLab(await openVethLab(), options);
  }

  get #runningEndpoint() {
    if (this.#endpoint === undefined) throw new Error('the endpoint does not run');
    return this.#endpoint;
  }

  /** Its memory is where the one before has left it. */
  async startEndpoint() {
    const { sizeBytes, seed } = this.#options;
    const backing = join(this.#folder, 'memory');
    const interfaceName = this.#wire.peer.name;
    const settings = { interfaceName, sizeBytes, backing, seed: seed + this.starts.endpoint++ };
    const argv = [endpointProgram, JSON.stringify(settings)];
    this.#endpoint = new Observed('the endpoint', argv, this.#wire.peerArgv);
    await this.#endpoint.ready();
  }

  /** Waits until it is ready and has a client. */
  async startDriver() {
    const { sizeBytes, driverArgs = [] } = this.#options;
    const path = join(this.#folder, `driver-${this.starts.driver++}.sock`);
    const where = [`--netdev=${this.#wire.local.name}`, `--mac=${this.#wire.peer.mac}`];
    const argv = [...where, `--size=${sizeBytes}`, `--listen=unix:${path}`, ...driverArgs];
    this.#driver = new Observed('the driver', [driverProgram, ...argv], (inner) => [...inner]);
    await this.#driver.ready();
    await this.slot.connect(path);
  }

  /** `kill -9`: nothing is tidied up, no word to the endpoint. */
  async killDriver() {
    await this.#kill(this.#driver);
    this.slot.drop();
    this.#driver = undefined;
  }

  /** The same for the endpoint. */
  async killEndpoint() {
    await this.#kill(this.#endpoint);
    this.#endpoint = undefined;
  }

  /**
   * SIGTERM.
   *
   * @returns {Promise<string>} what it said in the end
   * @throws {Error} when it does not end well by itself
   */
  async stopDriver() {
    const driver = this.#driver;
    this.slot.drop();
    this.#driver = undefined;
    if (driver === undefined) return '';
    driver.kill('SIGTERM');
    const timer = setTimeout(() => driver.kill('SIGKILL'), stopMs);
    await driver.ended;
    clearTimeout(timer);
    if (!/ exit code [01]\b/.test(driver.describeEnd())) throw new Error(driver.describeEnd());
    return driver.log;
  }

  /** @param {readonly string[]} faults all of them, in the words of --fault */
  async setFaults(faults) {
    const answer = await this.#runningEndpoint.ask('faults', { faults });
    if (answer === undefined) throw new Error('the endpoint does not take new faults');
  }

  /** The endpoint stands still: nothing is lost that its socket holds. @param {boolean} isFrozen */
  freezeEndpoint(isFrozen) {
    this.#runningEndpoint.kill(isFrozen ? 'SIGSTOP' : 'SIGCONT');
  }

  /** @param {'up' | 'down'} state of the interface of the endpoint */
  setLink(state) {
    this.#wire.runInPeer(['ip', 'link', 'set', this.#wire.peer.name, state]);
  }

  /** A program that has ended though nobody wanted it to. @returns {string | undefined} how */
  describeDeath() {
    const dead = [this.#driver, this.#endpoint].find((program) => program?.hasEnded === true);
    return dead?.describeEnd();
  }

  /** @returns {Promise<{ driver?: ProcessFigures, endpoint?: ProcessFigures, counters?: any }>} */
  async figures() {
    const [driver, endpoint, counters] = await Promise.all([
      this.#driver?.figures(),
      this.#endpoint?.figures(),
      this.#endpoint?.ask('counters'),
    ]);
    return { ...(driver && { driver }), ...(endpoint && { endpoint }), counters };
  }

  /** What driver and endpoint have said last, for a report. */
  logs() {
    return { driver: this.#driver?.log ?? '', endpoint: this.#endpoint?.log ?? '' };
  }

  /** Takes down all that is left. Harmless when repeated. */
  async close() {
    this.slot.drop();
    this.slot.wakeAll();
    await this.#kill(this.#driver);
    await this.#kill(this.#endpoint);
    await this.#wire.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** @param {Observed | undefined} program */
  async #kill(program) {
    program?.kill('SIGKILL');
    await program?.ended;
  }
}
