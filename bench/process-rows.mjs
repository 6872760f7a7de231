import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Child } from './children.mjs';
import { profileDriver } from './driver-profile.mjs';
import { readCpuSeconds } from './load-run.mjs';
import { spanOf } from './measure-row.mjs';
import { workloadOf } from './plan.mjs';
import { Scene } from './scene.mjs';

/**
 * What a program costs that no load shows: starting, waiting, memory.
 *
 * @typedef {import('./plan.mjs').Goal} Goal
 * @typedef {import('./measure-row.mjs').RowResult} RowResult
 *
 * @typedef {object} Surroundings
 * @property {string} folder
 * @property {import('./options.mjs').BenchOptions} bench
 * @property {(scene: Scene) => void} onStart told of each scene before it starts
 *
 * @typedef {object} ProcessRow
 * @property {string} name
 * @property {(surroundings: Surroundings) => Promise<RowResult>} measure
 * @property {boolean} isQuick
 * @property {boolean} isSmoke
 */

/** @type {import('./scene.mjs').SceneSpec} */
const base = {
  path: 'export',
  mtuBytes: 1500,
  maxRequestBytes: 1024,
  clients: 1,
  busyPollMicros: 0,
  endpointPollMicros: 0,
  fault: undefined,
};
const sequentialRead = workloadOf('seq read 128k d16');
const randomRead = workloadOf('rand read 4k d32');
const randomWrite = workloadOf('rand write 4k d32');

/** @type {(least: number, aim: number) => Goal} */
const atMost = (least, aim) => ({ better: 'less', least, aim });

/** @type {ProcessRow[]} */
const all = [
  {
    name: 'start to ready, export',
    measure: (given) => measureStart('start to ready, export', base, given),
    isQuick: true,
    isSmoke: true,
  },
  {
    name: 'start to ready, kernel device',
    measure: (given) =>
      measureStart('start to ready, kernel device', { ...base, path: 'kernel' }, given),
    isQuick: false,
    isSmoke: false,
  },
  { name: 'idle CPU', measure: measureIdle, isQuick: true, isSmoke: false },
  { name: 'resident memory', measure: measureMemory, isQuick: true, isSmoke: false },
  { name: 'heap a request', measure: measureHeap, isQuick: true, isSmoke: true },
  budgetRow('seq read 128k d16'),
  budgetRow('seq write 128k d16'),
  budgetRow('rand read 4k d32'),
  budgetRow('rand write 4k d32'),
  budgetRow('rand read 4k d1'),
  { name: 'codec, 1 KiB frames', measure: measureCodec, isQuick: true, isSmoke: true },
];

/**
 * @param {string} text of a workload
 * @returns {ProcessRow}
 */
function budgetRow(text) {
  const name = `budget of export ${text}`;
  return {
    name,
    measure: (given) => measureBudget(name, text, given),
    isQuick: text.startsWith('seq read'),
    isSmoke: false,
  };
}

/**
 * @param {Pick<import('./options.mjs').BenchOptions, 'rows' | 'size'>} options
 * @returns {ProcessRow[]}
 */
export function makeProcessPlan({ rows, size }) {
  return all.filter(({ name, isQuick, isSmoke }) => {
    if (rows.length > 0) return rows.some((text) => name.includes(text));
    return size === 'full' || (size === 'quick' ? isQuick : isSmoke);
  });
}

/**
 * @param {string} name
 * @param {import('./scene.mjs').SceneSpec} spec
 * @param {Surroundings} surroundings
 */
async function measureStart(name, spec, surroundings) {
  const millis = [];
  for (let i = 0; i < surroundings.bench.pairs; i++) {
    const scene = new Scene(spec, surroundings);
    surroundings.onStart(scene);
    await scene.startServer();
    millis.push(scene.driverStartMillis);
    await scene.finish();
  }
  return rowOf(name, [{ unit: 'ms', values: millis, goal: atMost(500, 250) }]);
}

/** @param {Surroundings} surroundings */
async function measureIdle(surroundings) {
  const { bench } = surroundings;
  const scene = new Scene(base, surroundings);
  surroundings.onStart(scene);
  await scene.start();
  await scene.run([{ first: 0, count: 1, workload: randomRead }], bench);
  const pids = { driver: scene.childOf('driver').pid, endpoint: scene.childOf('endpoint').pid };
  const seconds = 5 * bench.seconds;
  /** @type {number[]} */
  const driver = [];
  for (let i = 0; i < bench.pairs; i++) {
    const before = readCpuSeconds(pids);
    await setTimeout(1000 * seconds);
    const after = readCpuSeconds(pids);
    driver.push((100 * ((after['driver'] ?? NaN) - (before['driver'] ?? NaN))) / seconds);
  }
  await scene.finish();
  return rowOf('idle CPU', [{ unit: '%', values: driver, goal: atMost(1, 0.2) }]);
}

/** @param {Surroundings} surroundings */
async function measureMemory(surroundings) {
  const one = await residentMegabytes(1, surroundings);
  const sixteen = await residentMegabytes(16, surroundings);
  return rowOf('resident memory', [
    { label: 'one device', unit: 'MB', values: [one], goal: atMost(150, 90) },
    { label: 'each more', unit: 'MB', values: [(sixteen - one) / 15], goal: atMost(5, 2) },
  ]);
}

/**
 * @param {number} clients devices, all of which have worked
 * @param {Surroundings} surroundings
 */
async function residentMegabytes(clients, surroundings) {
  const scene = new Scene({ ...base, path: 'kernel', clients }, surroundings);
  surroundings.onStart(scene);
  await scene.start();
  for (const workload of [sequentialRead, randomWrite]) {
    await scene.run([{ first: 0, count: clients, workload }], surroundings.bench);
  }
  const status = readFileSync(`/proc/${scene.childOf('driver').pid}/status`, 'utf8');
  await scene.finish();
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1000;
}

/** @param {Surroundings} surroundings */
async function measureHeap(surroundings) {
  const { bench } = surroundings;
  const probe = join(import.meta.dirname, 'heap-probe.mjs');
  const nodeArgs = ['--expose-gc', '--trace-gc-nvp', '--import', probe];
  const scene = new Scene(base, { ...surroundings, nodeArgs, driverMessages: true });
  surroundings.onStart(scene);
  await scene.start();
  const driver = scene.childOf('driver');
  /** @param {number} requests */
  const work = async (requests) => {
    let done = 0;
    for (const workload of [randomRead, randomWrite]) {
      let seconds = bench.seconds;
      const target = done + requests / 2;
      while (done < target) {
        const group = { first: 0, count: 1, workload };
        const result = await scene.run([group], { seconds, warmUpSeconds: 0 });
        done += result.requestsPerSecond * result.seconds;
        seconds = Math.min(60, 1 + (target - done) / result.requestsPerSecond);
      }
    }
    return done;
  };
  await work(bench.heapRequests / 5);
  const before = await heapUsed(driver);
  const printed = driver.output.length;
  const requests = await work(bench.heapRequests);
  const growth = (await heapUsed(driver)) - before;
  let allocated = 0;
  for (const [, bytes] of driver.output.slice(printed).matchAll(/ allocated=(\d+)/g)) {
    // The engine prints a negative number as one of 64 bits when it has just shrunk the heap.
    if (Number(bytes) < 2 ** 40) allocated += Number(bytes);
  }
  await scene.finish();
  // Over few requests what the engine compiles meanwhile weighs more than what is kept.
  const goal = bench.size === 'full' ? { goal: atMost(0.5, 0.5) } : {};
  return rowOf('heap a request', [
    { label: 'kept', unit: 'B', values: [growth / requests], ...goal },
    { label: 'allocated, garbage included', unit: 'B', values: [allocated / requests] },
  ]);
}

/**
 * @param {Child} driver
 * @returns {Promise<number>}
 */
async function heapUsed(driver) {
  const answer = new Promise((resolve) => driver.process.once('message', resolve));
  driver.process.send('heap');
  return (await answer).heapUsed;
}

/**
 * Without perf there are no figures.
 *
 * @param {string} name
 * @param {string} text such as 'seq read 128k d16'
 * @param {Surroundings} surroundings
 */
async function measureBudget(name, text, surroundings) {
  const profile = await profileDriver(base, workloadOf(text), surroundings);
  const { parts, script, microsPerRequest, microsPerFrame } = profile;
  const goal = text.startsWith('seq read') ? { goal: atMost(40, 25) } : {};
  return {
    ...rowOf(name, [
      { label: 'driver CPU a request', unit: 'us', values: [microsPerRequest] },
      { label: 'driver CPU a frame', unit: 'us', values: [microsPerFrame] },
      { label: "JavaScript's share", unit: '%', values: [script], ...goal },
      ...[...parts].map(([label, share]) => ({
        label: `  ${label}`,
        unit: 'us a request',
        values: [(microsPerRequest * share) / 100],
      })),
    ]),
    section: 'budget',
  };
}

/** @param {Surroundings} surroundings */
async function measureCodec({ bench }) {
  const program = join(import.meta.dirname, 'codec.mjs');
  const millions = [];
  for (let i = 0; i < bench.pairs; i++) {
    const child = new Child('the codec', [process.execPath, program, String(bench.seconds)]);
    await child.succeeded();
    millions.push(JSON.parse(child.output).framesPerSecond / 1e6);
  }
  const goal = { better: /** @type {const} */ ('more'), least: 1, aim: 2 };
  return rowOf('codec, 1 KiB frames', [{ unit: 'M/s', values: millions, goal }]);
}

/**
 * @param {string} name
 * @param {{ label?: string, unit: string, values: number[], goal?: Goal }[]} figures
 * @returns {RowResult}
 */
function rowOf(name, figures) {
  return {
    name,
    section: 'process',
    ours: [],
    reference: [],
    figures: figures.map(({ label, unit, values, goal }) => ({
      label,
      isRatio: false,
      unit,
      goal,
      ...spanOf(values),
    })),
  };
}
