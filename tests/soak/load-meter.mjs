/** What a load has done: per phase, and since the last sample. */
import { LatencyHistogram } from '../../bench/latency-histogram.mjs';

/**
 * @typedef {object} Figures
 * @property {number} requests answered well
 * @property {number} bytes of their data
 * @property {Record<string, number>} errors by cause
 * @property {Latencies} latencyMs of the requests answered well
 */
/** @typedef {{ p50: number, p99: number, p999: number, max: number }} Latencies */

/** Requests, bytes, errors by cause, latencies. */
export class Tally {
  requests = 0;
  bytes = 0;
  /** @type {Map<string, number>} */
  errors = new Map();
  #latencies = new LatencyHistogram();
  #longestMicros = 0;

  /** @param {number} micros @param {number} bytes */
  done(micros, bytes) {
    this.requests++;
    this.bytes += bytes;
    this.#latencies.add(micros);
    this.#longestMicros = Math.max(this.#longestMicros, micros);
  }

  /** @param {string} cause */
  failed(cause) {
    this.errors.set(cause, (this.errors.get(cause) ?? 0) + 1);
  }

  /** @returns {Figures} */
  figures() {
    const { requests, bytes, errors } = this;
    /** @param {number} share */
    const at = (share) => (requests === 0 ? 0 : toMillis(this.#latencies.percentile(share)));
    const max = toMillis(this.#longestMicros);
    const latencyMs = { p50: at(0.5), p99: at(0.99), p999: at(0.999), max };
    return { requests, bytes, errors: Object.fromEntries(errors), latencyMs };
  }
}

/** Everything of a run, sorted by phase. */
export class LoadMeter {
  total = new Tally();
  /** By the name of the phase in which a request began. @type {Map<string, Tally>} */
  phases = new Map();
  #interval = new Tally();

  /** @param {string} phase @param {number} micros @param {number} bytes */
  done(phase, micros, bytes) {
    for (const tally of this.#tallies(phase)) tally.done(micros, bytes);
  }

  /** @param {string} phase @param {string} cause */
  failed(phase, cause) {
    for (const tally of this.#tallies(phase)) tally.failed(cause);
  }

  /** What was done since this was asked the last time. */
  takeInterval() {
    const figures = this.#interval.figures();
    this.#interval = new Tally();
    return figures;
  }

  /** @param {string} phase */
  #tallies(phase) {
    let own = this.phases.get(phase);
    if (own === undefined) this.phases.set(phase, (own = new Tally()));
    return [this.total, own, this.#interval];
  }
}

/** @param {number} micros */
function toMillis(micros) {
  return Math.round(micros) / 1000;
}
