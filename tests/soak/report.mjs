/** What a long run has shown: for a machine, and as a text. */

/** @typedef {import('./load-meter.mjs').Figures} Figures */
/** @typedef {import('./recorder.mjs').JudgedFigure} JudgedFigure */
/**
 * @typedef {object} Report
 * @property {'passed' | 'failed'} verdict
 * @property {boolean} wasInterrupted before the plan was through
 * @property {string[]} problems what must not have happened
 * @property {string} command that repeats it
 * @property {string} startedAt
 * @property {number} seconds it took
 * @property {string} node
 * @property {Figures} total
 * @property {number} bytesVerified
 * @property {{ driver: number, endpoint: number }} starts
 * @property {{ all: number, driverRestarted: number }} endpointRestarts
 * @property {number} longestRecoveryMs
 * @property {Record<string, Figures>} phases
 * @property {JudgedFigure[]} growth of processes that lived long enough, worst first
 * @property {number} livesTooShort processes that did not
 * @property {string[]} driverSummaries last words of drivers that were stopped in good order
 * @property {{ driver: string, endpoint: string } | undefined} logs when something was wrong
 */

/**
 * @param {Report} report
 * @returns {string}
 */
export function formatReport(report) {
  const { total, problems, starts, endpointRestarts } = report;
  const rate = (total.bytes / report.seconds / 1e6).toFixed(1);
  return [
    `soak: ${report.verdict.toUpperCase()}${report.wasInterrupted ? ' (ended early)' : ''}`,
    ...problems.map((problem) => `  ${problem}`),
    '',
    `${formatSeconds(report.seconds)}, ${total.requests} requests, ${formatBytes(total.bytes)}, ` +
      `${rate} MB/s, ${formatBytes(report.bytesVerified)} compared`,
    `${starts.driver} drivers, ${starts.endpoint} endpoints; of ${endpointRestarts.all} restarted ` +
      `endpoints ${endpointRestarts.driverRestarted} needed a new driver`,
    `longest time to good answers after a fault: ${report.longestRecoveryMs.toFixed(0)} ms`,
    ...report.driverSummaries.map((text) => `driver: ${text}`),
    '',
    formatTable(
      ['phase', 'requests', 'MB', 'p50', 'p99', 'p99.9', 'max ms', 'errors'],
      Object.entries({ ...report.phases, total }).map(([name, figures]) => phaseRow(name, figures)),
    ),
    '',
    formatTable(
      ['program', 'what', 'first', 'last', 'per hour', 'grew', 'limit', 'over', ''],
      report.growth.map(growthRow),
    ),
    `${report.livesTooShort} processes lived too short to be judged.`,
    '',
    `again: ${report.command}`,
    '',
  ].join('\n');
}

/** @param {string} name @param {Figures} figures */
function phaseRow(name, { requests, bytes, latencyMs, errors }) {
  const { p50, p99, p999, max } = latencyMs;
  const causes = Object.entries(errors).map(([cause, count]) => `${count} × ${cause}`);
  const times = [p50, p99, p999, max].map((value) => value.toFixed(1));
  return [name, String(requests), (bytes / 1e6).toFixed(0), ...times, causes.join(', ') || '-'];
}

/** @param {JudgedFigure} judged */
function growthRow({ program, pid, figure, unit, first, last, ...growth }) {
  const show = (/** @type {number} */ value) =>
    unit === 'MiB' ? (value / 2 ** 20).toFixed(2) : value.toFixed(1);
  return [
    `${program} ${pid}`,
    unit === '' ? figure : `${figure} ${unit}`,
    show(first),
    show(last),
    show(growth.slopePerHour),
    show(growth.growth),
    show(growth.limit),
    formatSeconds(growth.seconds),
    growth.verdict,
  ];
}

/** @param {readonly string[]} head @param {readonly (readonly string[])[]} rows */
function formatTable(head, rows) {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, i) => (i === 0 || i === row.length - 1 ? padEnd : padStart)(cell, widths[i]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** @param {string} text @param {number | undefined} width */
const padEnd = (text, width = 0) => text.padEnd(width);
/** @param {string} text @param {number | undefined} width */
const padStart = (text, width = 0) => text.padStart(width);

/** @param {number} bytes */
function formatBytes(bytes) {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** @param {number} seconds */
export function formatSeconds(seconds) {
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}
