import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from './children.mjs';
import { median } from './measure-row.mjs';
import { Scene } from './scene.mjs';

/**
 * Where the processor is while the driver works, in percent of its time.
 *
 * @typedef {object} DriverProfile
 * @property {Map<string, number>} parts by part, in the order of `partsInOrder`; empty without perf
 * @property {number} script all of compiled JavaScript; NaN without perf
 * @property {number} microsPerRequest CPU time of the driver, of all its threads
 * @property {number} microsPerFrame sent or received
 */

/** Parts of a profile, from the wire up, and what belongs to nobody in particular. */
const partsInOrder = /** @type {const} */ ([
  'kernel',
  'addons and C library',
  'rawsock',
  'host',
  'wire',
  'link',
  'tilelink',
  'tloe-protocol, other',
  'nbd-protocol',
  'nbd-kernel',
  'oxmem-bdev',
  "JavaScript of Node's own",
  'engine and its built-in functions',
]);

/**
 * Runs a load and samples the driver with perf meanwhile.
 *
 * @param {import('./scene.mjs').SceneSpec} spec
 * @param {import('./load-run.mjs').Workload} workload
 * @param {import('./process-rows.mjs').Surroundings} surroundings
 * @returns {Promise<DriverProfile>}
 */
export async function profileDriver(spec, workload, surroundings) {
  const { bench, folder, onStart } = surroundings;
  const nodeArgs = ['--perf-basic-prof'];
  const scene = new Scene(spec, { ...surroundings, nodeArgs, driverModules: true });
  onStart(scene);
  await scene.start();
  const groups = [{ first: 0, count: 1, workload }];
  // Before the samples, so that the hot code is compiled.
  await scene.run(groups, { seconds: bench.seconds, warmUpSeconds: bench.seconds });
  const { pid } = scene.childOf('driver');
  const file = join(folder, 'perf.data');
  const what = ['-q', '-e', 'cpu-clock', '-F', '999', '-p', String(pid), '-o', file];
  const perf = new Child('perf', ['perf', 'record', ...what]);
  /** @type {import("./scene.mjs").Measurement[]} */
  const runs = [];
  for (let i = 0; i < bench.pairs; i++) runs.push(await scene.run(groups, bench));
  perf.process.kill('SIGINT');
  await perf.ended;
  const args = ['report', '-i', file, '--sort', 'dso,sym', '--stdio', '-q'];
  const { stdout } = spawnSync('perf', args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  await scene.finish();
  // The map that Node wrote for perf.
  rmSync(`/tmp/perf-${pid}.map`, { force: true });
  rmSync(file, { force: true });
  const cpu = (/** @type {'cpuMicrosPerRequest' | 'cpuMicrosPerFrame'} */ per) =>
    median(runs.map((run) => run[per]['driver'] ?? NaN));
  return {
    ...sharesOf(stdout ?? ''),
    microsPerRequest: cpu('cpuMicrosPerRequest'),
    microsPerFrame: cpu('cpuMicrosPerFrame'),
  };
}

/**
 * @param {string} report of perf: lines of a share, the file that the code is from, and its name
 * @returns {Pick<DriverProfile, 'parts' | 'script'>}
 */
export function sharesOf(report) {
  /** @type {Map<string, number>} */
  const found = new Map();
  let script = report.trim() === '' ? NaN : 0;
  for (const line of report.split('\n')) {
    const [, percent, rest = ''] = /^\s*([\d.]+)%\s+(.*)$/.exec(line) ?? [];
    if (percent === undefined) continue;
    const part = partOf(rest);
    found.set(part, (found.get(part) ?? 0) + Number(percent));
    if (isScript(rest)) script += Number(percent);
  }
  const parts = partsInOrder.flatMap((part) => {
    const share = found.get(part);
    return share === undefined ? [] : [/** @type {[string, number]} */ ([part, share])];
  });
  return { parts: new Map(parts), script };
}

/** @param {string} line without its share */
function isScript(line) {
  return /^(\[JIT\]|perf-\d+\.map)/.test(line);
}

/**
 * @param {string} line without its share
 * @returns {typeof partsInOrder[number]}
 */
function partOf(line) {
  if (isScript(line)) {
    const [, name = '', folder = ''] = /\/packages\/([\w-]+)\/dist\/([\w-]+)/.exec(line) ?? [];
    const within = partsInOrder.find((part) => part === folder);
    if (name === 'tloe-protocol') return within ?? 'tloe-protocol, other';
    return partsInOrder.find((part) => part === name) ?? "JavaScript of Node's own";
  }
  if (/^\[kernel|^\[k\]/.test(line)) return 'kernel';
  return /^node\b/.test(line) ? 'engine and its built-in functions' : 'addons and C library';
}
