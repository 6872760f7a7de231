/** Samples of a run: one line of JSON each in a file, and in memory what growth is judged by. */
import { createWriteStream } from 'node:fs';
import { judgeGrowth } from './growth.mjs';

const mebibyte = 2 ** 20;
/**
 * What must stay flat, and by how much it may grow over the whole life of a process after its warm-up.
 * The heap and what is external to it are measured after a full collection; resident memory is
 * what the allocator has not given back, and moves on its own. The endpoint makes the faults: frames
 * that are late are outside of its heap.
 *
 * @type {readonly Watched[]}
 */
const watchedFigures = [
  { key: 'heapBytes', name: 'heap', driver: 2 * mebibyte, endpoint: 2 * mebibyte, unit: 'MiB' },
  { key: 'externalBytes', name: 'external', driver: mebibyte, endpoint: 8 * mebibyte, unit: 'MiB' },
  {
    key: 'residentBytes',
    name: 'resident',
    driver: 32 * mebibyte,
    endpoint: 32 * mebibyte,
    unit: 'MiB',
  },
  { key: 'descriptors', name: 'descriptors', driver: 2, endpoint: 2, unit: '' },
  { key: 'threads', name: 'threads', driver: 2, endpoint: 2, unit: '' },
];
const shortestWarmUpMs = 10_000;
const longestWarmUpMs = 120_000;
const warmUpShare = 0.2;

/** @typedef {import('./soak-lab.mjs').ProcessFigures} ProcessFigures */
/**
 * @typedef {{ key: keyof ProcessFigures, name: string, driver: number, endpoint: number,
 *   unit: string }} Watched
 */
/** @typedef {{ program: 'driver' | 'endpoint', samples: { atMs: number, figures: ProcessFigures }[] }} Life */
/**
 * @typedef {import('./growth.mjs').Growth & { program: string, pid: number, figure: string,
 *   unit: string, first: number, last: number }} JudgedFigure
 */

export class Recorder {
  /** Of each process, by its id. @type {Map<number, Life>} */
  #lives = new Map();
  #startMs = performance.now();
  #file;
  #sources;
  /** @type {Promise<void>} the sample that is being taken */
  #sampling = Promise.resolve();
  #timer;

  /**
   * @param {string} path
   * @param {number} intervalMs
   * @param {{ lab: import('./soak-lab.mjs').SoakLab, load: import('./soak-load.mjs').SoakLoad,
   *   meter: import('./load-meter.mjs').LoadMeter, run: import('./soak-run.mjs').SoakRun }} sources
   */
  constructor(path, intervalMs, sources) {
    this.#file = createWriteStream(path);
    this.#sources = sources;
    this.#timer = setInterval(() => {
      this.#sampling = this.#sampling.then(() => this.#sample());
    }, intervalMs);
  }

  /** @returns {Promise<void>} when the file is complete */
  async close() {
    clearInterval(this.#timer);
    await this.#sampling;
    await new Promise((resolve) => this.#file.end(() => resolve(undefined)));
  }

  /** What grew and what did not, of every process that lived long enough. @returns {JudgedFigure[]} */
  judge() {
    return [...this.#lives].flatMap(([pid, life]) =>
      watchedFigures.map((watched) => judgeLife(pid, life, watched)),
    );
  }

  async #sample() {
    const { lab, load, meter, run } = this.#sources;
    const { driver, endpoint, counters } = await lab.figures();
    const atMs = performance.now() - this.#startMs;
    this.#keep('driver', atMs, driver);
    this.#keep('endpoint', atMs, endpoint);
    const { link } = counters ?? {};
    const line = {
      atSeconds: Math.round(atMs / 100) / 10,
      phase: run.phase,
      ...meter.takeInterval(),
      oldestOpenMs: Math.round(load.oldest().ms),
      driver,
      endpoint,
      // Of this life of the endpoint so far. What the driver has sent twice arrives as a duplicate.
      link: link && {
        framesReceived: link.framesReceived,
        framesResent: link.framesResent,
        duplicates: link.duplicates,
        outOfOrder: link.outOfOrder,
      },
    };
    this.#file.write(`${JSON.stringify(line)}\n`);
  }

  /** @param {Life['program']} program @param {number} atMs @param {ProcessFigures | undefined} figures */
  #keep(program, atMs, figures) {
    if (figures === undefined) return;
    const life = this.#lives.get(figures.pid) ?? { program, samples: [] };
    this.#lives.set(figures.pid, life);
    life.samples.push({ atMs, figures });
  }
}

/**
 * @param {number} pid
 * @param {Life} life
 * @param {Watched} watched
 * @returns {JudgedFigure}
 */
function judgeLife(pid, { program, samples }, { key, name, unit, ...limits }) {
  const values = samples.flatMap(({ atMs, figures }) => {
    const value = figures[key];
    return value === undefined ? [] : [{ atMs, value }];
  });
  const lifeMs = (values.at(-1)?.atMs ?? 0) - (values[0]?.atMs ?? 0);
  const share = Math.min(longestWarmUpMs, lifeMs * warmUpShare);
  const warmUpMs = Math.max(shortestWarmUpMs, share);
  const growth = judgeGrowth(values, { limit: limits[program], warmUpMs });
  const [first, last] = [values[0]?.value ?? NaN, values.at(-1)?.value ?? NaN];
  return { program, pid, figure: name, unit, first, last, ...growth };
}
