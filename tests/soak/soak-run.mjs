/** A run: one phase after the other, with an eye on everything that must not happen. */
import { WrongByte } from './soak-load.mjs';

/** @typedef {import('./phases.mjs').Phase} Phase */

/**
 * The driver promises an answer within 5 s without progress (five times `--request-timeout`, 1 s).
 * A request that makes progress takes longer: it gets the same again.
 */
export const hangMs = 10_000;
/** From the end of a fault to good answers for everybody. */
const recoveryMs = 10_000;
/** A driver that finds its endpoint anew does so within this; else it is restarted, by a person. */
const returnMs = 15_000;
const watchMs = 200;
const pollMs = 20;

/** The run is over before its time; not a problem. */
class Interrupted extends Error {}

export class SoakRun {
  /** The phase that goes on. */
  phase = 'start';
  /** Everything that must not have happened, in words. @type {string[]} */
  problems = [];
  /** Restarted endpoints, and those after which a new driver was needed. */
  endpointRestarts = { all: 0, driverRestarted: 0 };
  longestRecoveryMs = 0;
  wasInterrupted = false;
  /** Last words of drivers that were stopped in good order. @type {string[]} */
  driverLogs = [];
  #lab;
  #load;
  #meter;
  #prng;
  /** @type {Error | undefined} */
  #halt;

  /**
   * @param {{ lab: import('./soak-lab.mjs').SoakLab, load: import('./soak-load.mjs').SoakLoad,
   *   meter: import('./load-meter.mjs').LoadMeter,
   *   prng: import('@oxmem/tloe-protocol/testing').Prng }} parts
   */
  constructor({ lab, load, meter, prng }) {
    this.#lab = lab;
    this.#load = load;
    this.#meter = meter;
    this.#prng = prng;
    load.ended.catch((/** @type {Error} */ error) => this.#stop(error));
  }

  /** Ends the run at the next opportunity, within a moment. */
  interrupt() {
    this.wasInterrupted = true;
    this.#stop(new Interrupted('interrupted'));
  }

  /**
   * Lives through all phases, then reads everything once more.
   *
   * @param {readonly Phase[]} phases
   * @param {(phase: Phase) => void} onPhaseDone
   */
  async live(phases, onPhaseDone) {
    const watch = setInterval(() => this.#watch(), watchMs);
    try {
      for (const phase of phases) {
        await this.#livePhase(phase);
        onPhaseDone(phase);
      }
    } catch (error) {
      if (!(error instanceof Interrupted)) this.problems.push(describe(error));
    } finally {
      clearInterval(watch);
    }
    if (this.#halt === undefined || this.#halt instanceof Interrupted) await this.#finish();
  }

  /** @param {Phase} phase */
  async #livePhase(phase) {
    this.phase = phase.name;
    this.#load.setStyle(phase.style);
    // What the phase before has begun is over before the faults of this one come.
    await this.#recovered();
    await this.#lab.setFaults(phase.faults);
    const endMs = performance.now() + phase.seconds * 1000;
    do {
      await this.#happen(phase);
      if (phase.event !== 'nothing') await this.#recovered();
      const leftMs = endMs - performance.now();
      await this.#pause(phase.event === 'nothing' ? leftMs : Math.min(leftMs, 1000));
    } while (performance.now() < endMs);
    await this.#lab.setFaults([]);
    await this.#recovered();
    const errors = this.#meter.phases.get(phase.name)?.errors;
    if (!phase.mayFail && errors !== undefined && errors.size > 0) {
      const causes = [...errors].map(([cause, count]) => `${count} × ${cause}`).join(', ');
      const problem = `requests failed although nothing was that bad: ${phase.name}, ${causes}`;
      if (!this.problems.includes(problem)) this.problems.push(problem);
    }
  }

  /** @param {Phase} phase */
  async #happen({ event, eventMs, faults }) {
    const lab = this.#lab;
    switch (event) {
      case 'nothing':
        return;
      case 'outage':
        await lab.setFaults(['loss=100%']);
        await this.#pause(eventMs);
        await lab.setFaults(faults);
        return;
      case 'freeze':
        lab.freezeEndpoint(true);
        await this.#pause(eventMs).finally(() => lab.freezeEndpoint(false));
        return;
      case 'interface down':
        lab.setLink('down');
        await this.#pause(eventMs).finally(() => lab.setLink('up'));
        return;
      case 'driver restarted':
        this.driverLogs.push(await lab.stopDriver());
        await lab.startDriver();
        await this.#allVerified();
        return;
      case 'driver killed':
        await this.#pause(this.#prng.between(20, 1000));
        await lab.killDriver();
        await lab.startDriver();
        await this.#allVerified();
        return;
      case 'endpoint restarts':
        await this.#pause(this.#prng.between(20, 1000));
        await lab.killEndpoint();
        await lab.startEndpoint();
        await lab.setFaults(faults);
        this.endpointRestarts.all++;
        await this.#returnOrRestart();
        await this.#allVerified();
        return;
      case 'both killed':
        await this.#pause(this.#prng.between(20, 1000));
        await Promise.all([lab.killEndpoint(), lab.killDriver()]);
        await lab.startEndpoint();
        await lab.setFaults(faults);
        await lab.startDriver();
        await this.#allVerified();
    }
  }

  /** The endpoint is a new one, with the memory of the old: the driver goes on, or a person helps. */
  async #returnOrRestart() {
    const sinceMs = performance.now();
    while (performance.now() < sinceMs + returnMs) {
      if (this.#load.isGoodSince(sinceMs)) return;
      await this.#pause(pollMs);
    }
    if (this.phase !== 'end') this.endpointRestarts.driverRestarted++;
    this.driverLogs.push(await this.#lab.stopDriver());
    await this.#lab.startDriver();
  }

  async #recovered() {
    const sinceMs = performance.now();
    while (!this.#load.isGoodSince(sinceMs)) {
      await this.#pause(pollMs);
      const elapsedMs = performance.now() - sinceMs;
      this.longestRecoveryMs = Math.max(this.longestRecoveryMs, elapsedMs);
      if (elapsedMs > recoveryMs) {
        throw new Error(`no good answers ${recoveryMs / 1000} s after the end of: ${this.phase}`);
      }
    }
  }

  /** Everything that was ever acknowledged is there. */
  async #allVerified() {
    const sinceMs = performance.now();
    while (!this.#load.isAllVerified()) {
      await this.#pause(pollMs);
      if (performance.now() - sinceMs > 3 * recoveryMs) {
        throw new Error(`the memory could not be read as a whole after: ${this.phase}`);
      }
    }
  }

  /** Reads everything once more, whatever the state in which the last phase was left. */
  async #finish() {
    this.phase = 'end';
    try {
      this.#halt = undefined;
      await this.#lab.setFaults([]);
      await this.#returnOrRestart();
      const late = new Promise((_, reject) => {
        const error = new Error('the memory could not be read as a whole in the end');
        setTimeout(() => reject(error), 3 * recoveryMs).unref();
      });
      await Promise.race([this.#load.finish(), late]);
      if (!this.#load.isAllVerified()) throw new Error('not everything was read in the end');
      this.driverLogs.push(await this.#lab.stopDriver());
    } catch (error) {
      this.problems.push(describe(error));
    }
  }

  #watch() {
    const { ms, request } = this.#load.oldest();
    if (ms > hangMs) this.#stop(new Error(`a ${request} is open for ${Math.round(ms)} ms`));
    const death = this.#lab.describeDeath();
    if (death !== undefined) this.#stop(new Error(death));
  }

  /** @param {Error} error */
  #stop(error) {
    if (this.#halt === undefined || this.#halt instanceof Interrupted) this.#halt = error;
  }

  /** @param {number} ms */
  async #pause(ms) {
    const endMs = performance.now() + ms;
    do {
      if (this.#halt !== undefined) throw this.#halt;
      const leftMs = endMs - performance.now();
      await new Promise((resolve) => setTimeout(resolve, Math.min(Math.max(leftMs, 0), 100)));
    } while (performance.now() < endMs);
  }
}

/** @param {unknown} error */
function describe(error) {
  const { message } = /** @type {Error} */ (error);
  return error instanceof WrongByte ? `WRONG DATA: ${message}` : message;
}
