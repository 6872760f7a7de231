/**
 * @typedef {import('./measure-row.mjs').RowResult} RowResult
 * @typedef {import('./measure-row.mjs').FigureResult} FigureResult
 * @typedef {import('./scene.mjs').Measurement} Measurement
 *
 * @typedef {object} Report
 * @property {string} startedAt ISO 8601
 * @property {import('./machine.mjs').Machine} machine
 * @property {{ before: number, after: number }} loadAverage of the last minute
 * @property {import('./options.mjs').BenchOptions} options
 * @property {RowResult[]} rows
 */
import { median } from './measure-row.mjs';

/**
 * The tables for a person.
 *
 * @param {Report} report
 * @returns {string} ends with a line break
 */
export function formatReport(report) {
  const { machine, loadAverage, rows, options } = report;
  const sections = [...new Set(rows.map(({ section }) => section))];
  const lines = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGibibytes} GiB, Linux ${machine.kernel}, ` +
      `Node ${machine.node}, commit ${machine.commit}`,
    `load average ${loadAverage.before} before, ${loadAverage.after} after, on ${machine.cores} cores; ` +
      `medians of ${options.pairs} pairs, [least, most]`,
    ...sections.flatMap((section) => {
      const own = rows.filter((row) => row.section === section);
      return ['', ...formatTable([headerOf(section), ...own.flatMap(linesOf)])];
    }),
    ...goalLines(rows),
  ];
  return `${lines.join('\n')}\n`;
}

/** @param {string} section */
function headerOf(section) {
  return [
    section,
    'figure',
    '',
    'ours',
    'reference',
    'p50 us',
    'p99 us',
    'p99.9 us',
    'CPU us/req: driver',
    'endpoint',
    'client',
    'us/frame: driver',
    'endpoint',
  ];
}

/**
 * @param {RowResult} row
 * @returns {string[][]} a line for each figure
 */
function linesOf({ name, ours, reference, figures }) {
  const middle = (/** @type {(each: Partial<Measurement>) => number | undefined} */ pick) =>
    median(ours.map((each) => pick(each) ?? NaN));
  return figures.map((figure, index) => {
    const title = index === 0 ? name : `  ${figure.label ?? ''}`;
    const cells = [title, describe(figure, figure.median), rangeOf(figure)];
    if (index > 0 || ours[0]?.megabytesPerSecond === undefined) return cells;
    const latencies = /** @type {const} */ (['p50', 'p99', 'p999']).map((key) =>
      digits(middle(({ latencyMicros }) => latencyMicros?.[key])),
    );
    const requestCpu = ['driver', 'endpoint', 'client'].map((role) =>
      digits(middle(({ cpuMicrosPerRequest }) => cpuMicrosPerRequest?.[role])),
    );
    const frameCpu = ['driver', 'endpoint'].map((role) =>
      digits(middle(({ cpuMicrosPerFrame }) => cpuMicrosPerFrame?.[role])),
    );
    return [
      ...cells,
      rateOf(ours),
      reference.length === 0 ? '-' : rateOf(reference),
      ...latencies,
      ...requestCpu,
      ...frameCpu,
    ];
  });
}

/** @param {readonly Partial<Measurement>[]} measurements */
function rateOf(measurements) {
  const rate = median(measurements.map(({ megabytesPerSecond = NaN }) => megabytesPerSecond));
  return `${digits(rate)} MB/s`;
}

/**
 * @param {FigureResult} figure
 * @param {number} value
 */
function describe({ isRatio, unit }, value) {
  return isRatio ? `${value.toFixed(3)} x` : `${digits(value)} ${unit}`.trimEnd();
}

/** @param {FigureResult} figure */
function rangeOf({ isRatio, least, most }) {
  if (least === most) return '';
  return isRatio
    ? `[${least.toFixed(2)}, ${most.toFixed(2)}]`
    : `[${digits(least)}, ${digits(most)}]`;
}

/** @param {number} value */
function digits(value) {
  if (!Number.isFinite(value)) return '-';
  const places = value === 0 || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(places);
}

/**
 * @param {readonly RowResult[]} rows
 * @returns {string[]} a table of what has a goal; nothing if nothing has
 */
function goalLines(rows) {
  const lines = rows.flatMap(({ name, figures }) =>
    figures.flatMap((figure) => {
      const { goal, median: value, label } = figure;
      if (goal === undefined) return [];
      const title = label === undefined ? name : `${name}: ${label}`;
      const [least, aim] = [goal.least, goal.aim].map((each) => describe(figure, each));
      return [[title, describe(figure, value), least ?? '', aim ?? '', judge(goal, value)]];
    }),
  );
  if (lines.length === 0) return [];
  return ['', ...formatTable([['goals', 'measured', 'at least', 'aim', ''], ...lines])];
}

/**
 * @param {import('./plan.mjs').Goal} goal
 * @param {number} value
 * @returns {'aim' | 'met' | 'missed' | 'unknown'}
 */
export function judge({ better, least, aim }, value) {
  if (Number.isNaN(value)) return 'unknown';
  const reaches = (/** @type {number} */ line) =>
    better === 'more' ? value >= line : value <= line;
  return reaches(aim) ? 'aim' : reaches(least) ? 'met' : 'missed';
}

/**
 * @param {string[][]} rows the first is the header
 * @returns {string[]} the first column to the left, figures to the right
 */
function formatTable(rows) {
  const columns = Math.max(...rows.map((cells) => cells.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const used = widths.flatMap((width, column) => (width > 0 ? [column] : []));
  const lines = rows.map((cells) =>
    used
      .map((column) => {
        const cell = cells[column] ?? '';
        const width = widths[column] ?? 0;
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd(),
  );
  lines.splice(1, 0, used.map((column) => '-'.repeat(widths[column] ?? 0)).join('  '));
  return lines;
}
