/** @typedef {import('./raw-ceiling.mjs').Ceiling} Ceiling */
/** @typedef {import('./load-run.mjs').LoadResult} LoadResult */

/**
 * @typedef {object} BlockCeiling
 * @property {number} frameBytes
 * @property {number} payloadMegabytesPerSecond median of all runs before and after the block
 * @property {number} framesPerSecond likewise
 * @property {Ceiling[]} before
 * @property {Ceiling[]} after
 */

/**
 * @typedef {object} RowReport
 * @property {string} name
 * @property {import('./plan.mjs').Path} path
 * @property {import('./plan.mjs').Setting} setting
 * @property {import('./load-run.mjs').Workload} workload
 * @property {LoadResult} result
 * @property {number | undefined} ratio payload rate over the payload rate of the ceiling
 */

/**
 * @typedef {object} BlockReport
 * @property {string} name
 * @property {BlockCeiling | undefined} ceiling none for blocks without a wire
 * @property {RowReport[]} rows
 */

/**
 * @typedef {object} Report
 * @property {string} startedAt ISO 8601
 * @property {import('./machine.mjs').Machine} machine
 * @property {{ before: number, after: number }} loadAverage of the last minute
 * @property {import('./options.mjs').BenchOptions} options
 * @property {BlockReport[]} blocks
 */

/**
 * @param {Ceiling[]} before
 * @param {Ceiling[]} after
 * @returns {BlockCeiling}
 */
export function summariseCeiling(before, after) {
  const all = [...before, ...after];
  return {
    frameBytes: all[0]?.frameBytes ?? NaN,
    payloadMegabytesPerSecond: median(all.map((each) => each.payloadMegabytesPerSecond)),
    framesPerSecond: median(all.map((each) => each.framesPerSecond)),
    before,
    after,
  };
}

/**
 * The table for a person.
 *
 * @param {Report} report
 * @returns {string} ends with a line break
 */
export function formatReport(report) {
  const { machine, loadAverage, blocks } = report;
  const lines = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGibibytes} GiB, Linux ${machine.kernel}, ` +
      `Node ${machine.node}, commit ${machine.commit}`,
    `load average ${loadAverage.before} before, ${loadAverage.after} after, on ${machine.cores} cores`,
    '',
    ...formatTable([
      header,
      ...blocks.flatMap(({ ceiling, rows }) => rows.map((row) => cellsOf(row, ceiling))),
    ]),
    '',
    ...blocks.flatMap(({ name, ceiling }) => (ceiling ? [describeCeiling(name, ceiling)] : [])),
  ];
  return `${lines.join('\n')}\n`;
}

const header = [
  'row',
  'MB/s',
  'ceiling',
  'ratio',
  'req/s',
  'p50 us',
  'p99 us',
  'p99.9 us',
  'CPU us/req: driver',
  'endpoint',
  'client',
];

/**
 * @param {RowReport} row
 * @param {BlockCeiling | undefined} ceiling
 * @returns {string[]}
 */
function cellsOf({ name, result, ratio }, ceiling) {
  const { latencyMicros, cpuMicrosPerRequest: cpu } = result;
  return [
    name,
    result.megabytesPerSecond.toFixed(1),
    ceiling === undefined ? '-' : ceiling.payloadMegabytesPerSecond.toFixed(0),
    ratio === undefined ? '-' : ratio.toFixed(3),
    result.requestsPerSecond.toFixed(0),
    ...[latencyMicros.p50, latencyMicros.p99, latencyMicros.p999].map((us) => us.toFixed(0)),
    ...['driver', 'endpoint', 'client'].map((role) => cpu[role]?.toFixed(1) ?? '-'),
  ];
}

/**
 * @param {string[][]} rows the first is the header
 * @returns {string[]} the first column to the left, figures to the right
 */
function formatTable(rows) {
  const widths = header.map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const lines = rows.map((cells) =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  '),
  );
  lines.splice(1, 0, widths.map((width) => '-'.repeat(width)).join('  '));
  return lines;
}

/**
 * @param {string} name
 * @param {BlockCeiling} ceiling
 */
function describeCeiling(name, { frameBytes, framesPerSecond, before, after }) {
  const rates = [...before, ...after].map((each) => each.framesPerSecond / 1000);
  const range = `${Math.min(...rates).toFixed(0)} to ${Math.max(...rates).toFixed(0)}`;
  const median = (framesPerSecond / 1000).toFixed(0);
  return `ceiling around "${name}": ${median} k frames/s of ${frameBytes} B (${range} in ${rates.length} runs)`;
}

/** @param {number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1] ?? NaN;
  const high = sorted[Math.floor(middle)] ?? NaN;
  return (low + high) / 2;
}
