import { measureCeiling, measureExchange } from './references.mjs';

/** @typedef {import('./scene.mjs').Measurement} Measurement */
/** @typedef {import('./plan.mjs').Row} Row */

/**
 * @typedef {object} FigureResult
 * @property {string | undefined} label
 * @property {boolean} isRatio
 * @property {string} unit of what is no ratio
 * @property {import('./plan.mjs').Goal | undefined} goal
 * @property {number} median of the pairs
 * @property {number} least
 * @property {number} most
 *
 * @typedef {object} RowResult
 * @property {string} name
 * @property {string} section
 * @property {Partial<Measurement>[]} ours
 * @property {Partial<Measurement>[]} reference measured beside each; empty if there is none
 * @property {FigureResult[]} figures
 */

const units = { rate: 'MB/s', p50: 'us', p999Millis: 'ms', driverCpuPerFrame: 'us', spread: '' };

/** @type {Record<import('./plan.mjs').PickName, (from: Partial<Measurement>) => number>} */
const picks = {
  rate: ({ megabytesPerSecond = NaN }) => megabytesPerSecond,
  p50: ({ latencyMicros }) => latencyMicros?.p50 ?? NaN,
  p999Millis: ({ latencyMicros }) => (latencyMicros?.p999 ?? NaN) / 1000,
  driverCpuPerFrame: ({ cpuMicrosPerFrame }) => cpuMicrosPerFrame?.['driver'] ?? NaN,
  spread: ({ connectionRates = [] }) => {
    const mean = connectionRates.reduce((sum, each) => sum + each, 0) / connectionRates.length;
    return Math.max(...connectionRates.map((each) => Math.abs(each - mean))) / mean;
  },
};

/**
 * Measures a row pair by pair: ours and the reference, then the reference and ours, and so on, so
 * that a machine that gets slower or faster does so to both.
 *
 * @param {Row} row
 * @param {import('./options.mjs').BenchOptions} options
 * @param {(spec: import('./scene.mjs').SceneSpec) => Promise<import('./scene.mjs').Scene>} sceneOf
 *   starts one unless it runs
 * @returns {Promise<RowResult>}
 */
export async function measureRow(row, options, sceneOf) {
  const { warmUpSeconds } = options;
  const seconds = row.isSteady === true ? options.steadySeconds : options.seconds;
  const pairs = row.isSteady === true ? 1 : options.pairs;
  const scene = await sceneOf(row.scene);
  const measureReference = await referenceOf(row, options, sceneOf);
  const measureOurs = () => scene.run(row.groups, { seconds, warmUpSeconds });
  /** @type {Partial<Measurement>[]} */
  const ours = [];
  /** @type {Partial<Measurement>[]} */
  const reference = [];
  for (let pair = 0; pair < pairs; pair++) {
    const isOursFirst = pair % 2 === 0;
    if (isOursFirst) ours.push(await measureOurs());
    if (measureReference !== undefined) reference.push(await measureReference());
    if (!isOursFirst) ours.push(await measureOurs());
  }
  const figures = row.figures.map((figure) => summarise(figure, ours, reference));
  return { name: row.name, section: row.section, ours, reference, figures };
}

/**
 * @param {Row} row
 * @param {import('./options.mjs').BenchOptions} options
 * @param {Parameters<typeof measureRow>[2]} sceneOf
 * @returns {Promise<(() => Promise<Partial<Measurement>>) | undefined>}
 */
async function referenceOf({ reference, scene: spec }, options, sceneOf) {
  if (reference === undefined) return undefined;
  if (reference.kind === 'scene') {
    const scene = await sceneOf(reference.scene);
    const { seconds, warmUpSeconds } = options;
    return () => scene.run(reference.groups, { seconds, warmUpSeconds });
  }
  const { lab } = await sceneOf(spec);
  if (lab === undefined) throw new Error('a reference on a wire, and there is none');
  const place = { accessBytes: spec.maxRequestBytes, seconds: options.referenceSeconds };
  if (reference.kind === 'ceiling') return () => measureCeiling(lab, place);
  return () => measureExchange(lab, { ...place, ...reference });
}

/**
 * @param {import('./plan.mjs').Figure} figure
 * @param {readonly Partial<Measurement>[]} ours
 * @param {readonly Partial<Measurement>[]} reference
 * @returns {FigureResult}
 */
export function summarise({ pick, isRatio, label, goal }, ours, reference) {
  const take = picks[pick];
  const values = ours.map((each, index) =>
    isRatio ? take(each) / take(reference[index] ?? {}) : take(each),
  );
  return { label, isRatio, unit: units[pick], goal, ...spanOf(values) };
}

/** @param {readonly number[]} values */
export function spanOf(values) {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1] ?? NaN;
  const high = sorted[Math.floor(middle)] ?? NaN;
  return (low + high) / 2;
}
