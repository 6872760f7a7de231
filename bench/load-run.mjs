import { readFileSync, readdirSync } from 'node:fs';
import { LatencyHistogram } from './latency-histogram.mjs';
import { shares } from './shares.mjs';
import { SmallRandom } from './test-pattern.mjs';

/**
 * What carries requests and answers. Requests are known by the number of their slot. Data that does not fit the pattern is a failure of the port.
 *
 * @typedef {object} LoadPort
 * @property {(slot: number, offset: number, length: number) => void} read
 * @property {(slot: number, offset: number, length: number) => void} write
 * @property {() => void} flush sends what was asked for; called once for many requests
 * @property {LoadListener | undefined} listener
 */

/**
 * @typedef {object} LoadListener
 * @property {(slots: Int32Array, count: number) => void} onDone these requests are answered, their
 *   data was right and the slots are free
 * @property {(error: Error) => void} onFailure
 */

/**
 * @typedef {object} Workload
 * @property {'read' | 'write'} kind
 * @property {'sequential' | 'random'} order
 * @property {number} requestBytes a multiple of 4096
 * @property {number} depth requests in flight
 */

/**
 * @typedef {object} LoadLimits
 * @property {number} sizeBytes of the memory; at least twice what is in flight
 * @property {number} [warmUpSeconds] answers of the first seconds are not counted
 * @property {number} [seconds] measured after that
 * @property {number} [requests] instead of seconds: so many requests, all counted
 * @property {Readonly<Record<string, number>>} [pids] processes whose CPU time is read, by role
 * @property {string | undefined} [netdev] interface whose frames are counted
 *
 * @typedef {import('./scene.mjs').Measurement & { requests: number }} LoadResult
 */

/** No answer at all for so long: something hangs. */
const PATIENCE_MILLIS = 10_000;

/** Keeps a number of requests in flight on a port and measures the answers. */
export class LoadRun {
  #port;
  #workload;
  #limits;
  #random = new SmallRandom(0x2545f491);
  #latencies = new LatencyHistogram();
  /** By slot: when it was issued (ms), and which request-sized unit of the memory it is about. */
  #issuedAt;
  #unitOf;
  #isBusy;
  #units;
  #nextUnit = 0;
  #toIssue;
  #inFlight = 0;
  #counted = 0;
  #answered = 0;
  #state = /** @type {'warmingUp' | 'measuring' | 'draining'} */ ('warmingUp');
  #windowStart = 0;
  #windowEnd = Infinity;
  #seconds = 0;
  /** At the beginning, then what was spent. @type {Record<string, number>} */
  #cpu = {};
  #frames = 0;

  /**
   * @param {LoadPort} port with as many slots as the workload's depth
   * @param {Workload} workload
   * @param {LoadLimits} limits
   */
  constructor(port, workload, limits) {
    this.#port = port;
    this.#workload = workload;
    this.#limits = limits;
    this.#units = limits.sizeBytes / workload.requestBytes;
    if (this.#units < 2 * workload.depth) throw new RangeError('the memory is too small');
    this.#toIssue = limits.requests ?? Infinity;
    this.#issuedAt = new Float64Array(workload.depth);
    this.#unitOf = new Int32Array(workload.depth);
    this.#isBusy = new Uint8Array(this.#units);
  }

  /**
   * @returns {Promise<LoadResult>} when the last request is answered
   * @throws {Error} when data is wrong, a request fails, or no answer comes
   */
  async run() {
    try {
      return await this.#runToEnd();
    } finally {
      this.#port.listener = undefined;
    }
  }

  /** @returns {Promise<LoadResult>} */
  #runToEnd() {
    return new Promise((resolve, reject) => {
      let answeredBefore = -1;
      const watchdog = setInterval(() => {
        if (this.#answered === answeredBefore) onFailure(new Error(this.#describeStall()));
        answeredBefore = this.#answered;
      }, PATIENCE_MILLIS);
      /** @param {Error} error */
      const onFailure = (error) => {
        clearInterval(watchdog);
        reject(error);
      };
      const onDone = (/** @type {Int32Array} */ slots, /** @type {number} */ count) => {
        this.#onDone(slots, count);
        if (this.#inFlight > 0) return;
        clearInterval(watchdog);
        resolve(this.#result());
      };
      this.#port.listener = { onDone, onFailure };
      this.#begin();
    });
  }

  #begin() {
    const now = performance.now();
    const { warmUpSeconds = 0, requests } = this.#limits;
    this.#windowStart = now + 1000 * warmUpSeconds;
    if (requests !== undefined) this.#startWindow(now);
    for (let slot = 0; slot < this.#workload.depth; slot++) this.#issue(slot, now);
    this.#port.flush();
  }

  /**
   * @param {Int32Array} slots
   * @param {number} count
   */
  #onDone(slots, count) {
    const now = performance.now();
    this.#answered += count;
    this.#inFlight -= count;
    for (let i = 0; i < count; i++) this.#finish(/** @type {number} */ (slots[i]), now);
    if (this.#state === 'warmingUp' && now >= this.#windowStart) this.#startWindow(now);
    else if (this.#state === 'measuring' && this.#isWindowOver(now)) this.#endWindow(now);
    if (this.#state === 'draining') return;
    const issuedAt = performance.now();
    for (let i = 0; i < count; i++) this.#issue(/** @type {number} */ (slots[i]), issuedAt);
    this.#port.flush();
  }

  /**
   * @param {number} slot
   * @param {number} now
   */
  #finish(slot, now) {
    this.#isBusy[/** @type {number} */ (this.#unitOf[slot])] = 0;
    if (this.#state !== 'measuring') return;
    this.#latencies.add(1000 * (now - /** @type {number} */ (this.#issuedAt[slot])));
    this.#counted += 1;
  }

  /**
   * @param {number} slot
   * @param {number} now
   */
  #issue(slot, now) {
    if (this.#toIssue === 0) return;
    this.#toIssue -= 1;
    const unit = this.#chooseUnit();
    const { kind, requestBytes } = this.#workload;
    this.#isBusy[unit] = 1;
    this.#unitOf[slot] = unit;
    this.#issuedAt[slot] = now;
    this.#inFlight += 1;
    this.#port[kind](slot, unit * requestBytes, requestBytes);
  }

  /** The next one that no request in flight is about: of two writes nobody knows which was last. */
  #chooseUnit() {
    const isRandom = this.#workload.order === 'random';
    for (;;) {
      const unit = isRandom ? this.#random.next() % this.#units : this.#nextUnit;
      this.#nextUnit = (unit + 1) % this.#units;
      if (this.#isBusy[unit] === 0) return unit;
    }
  }

  /** @param {number} now */
  #startWindow(now) {
    this.#state = 'measuring';
    this.#cpu = readCpuSeconds(this.#limits.pids);
    this.#frames = countFrames(this.#limits.netdev);
    this.#windowStart = now;
    this.#windowEnd = now + 1000 * (this.#limits.seconds ?? Infinity);
  }

  /** @param {number} now */
  #isWindowOver(now) {
    return now >= this.#windowEnd || (this.#toIssue === 0 && this.#inFlight === 0);
  }

  /** @param {number} now */
  #endWindow(now) {
    this.#state = 'draining';
    this.#seconds = (now - this.#windowStart) / 1000;
    this.#frames = countFrames(this.#limits.netdev) - this.#frames;
    for (const [role, seconds] of Object.entries(readCpuSeconds(this.#limits.pids))) {
      this.#cpu[role] = seconds - (this.#cpu[role] ?? 0);
    }
  }

  /** @returns {LoadResult} */
  #result() {
    const requestsPerSecond = this.#counted / this.#seconds;
    return {
      seconds: this.#seconds,
      requests: this.#counted,
      megabytesPerSecond: (requestsPerSecond * this.#workload.requestBytes) / 1e6,
      requestsPerSecond,
      latencyMicros: {
        p50: this.#latencies.percentile(0.5),
        p99: this.#latencies.percentile(0.99),
        p999: this.#latencies.percentile(0.999),
      },
      cpuMicrosPerRequest: shares(this.#cpu, this.#counted),
      cpuMicrosPerFrame: this.#frames === 0 ? {} : shares(this.#cpu, this.#frames),
      connectionRates: [requestsPerSecond],
    };
  }

  #describeStall() {
    const { kind, order, depth } = this.#workload;
    return `no answer for ${PATIENCE_MILLIS / 1000} s (${order} ${kind}, ${this.#inFlight} of ${depth} open)`;
  }
}

/**
 * Writes the whole memory once.
 *
 * @param {LoadPort} port with 16 slots for 128 KiB
 * @param {number} sizeBytes
 */
export async function fillAll(port, sizeBytes) {
  await pass(port, 'write', sizeBytes);
}

/**
 * Reads the whole memory once, so that every byte is compared with what was last written.
 *
 * @param {LoadPort} port with 16 slots for 128 KiB
 * @param {number} sizeBytes
 */
export async function verifyAll(port, sizeBytes) {
  await pass(port, 'read', sizeBytes);
}

/**
 * @param {LoadPort} port
 * @param {'read' | 'write'} kind
 * @param {number} sizeBytes
 */
async function pass(port, kind, sizeBytes) {
  const requestBytes = 128 * 1024;
  /** @type {Workload} */
  const workload = { kind, order: 'sequential', requestBytes, depth: 16 };
  await new LoadRun(port, workload, { sizeBytes, requests: sizeBytes / requestBytes }).run();
}

/**
 * @param {Readonly<Record<string, number>>} [pids]
 * @returns {Record<string, number>} user and system time so far of all threads that live, by role
 */
export function readCpuSeconds(pids = {}) {
  return Object.fromEntries(
    Object.entries(pids).map(([role, pid]) => {
      let nanos = 0;
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8');
        nanos += Number(text.split(' ')[0]);
      }
      return [role, nanos / 1e9];
    }),
  );
}

/**
 * @param {string | undefined} netdev
 * @returns {number} frames that have crossed the interface, either way; 0 without one
 */
function countFrames(netdev) {
  const lines = readFileSync('/proc/net/dev', 'utf8').split('\n');
  const line = lines.find((each) => each.trim().startsWith(`${netdev}:`));
  const fields = line?.trim().split(/[\s:]+/) ?? [];
  // After the name eight figures of what was received; the second of each half is packets.
  return Number(fields[2] ?? 0) + Number(fields[10] ?? 0);
}
