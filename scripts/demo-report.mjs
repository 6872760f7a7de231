/** What the demo shows: a bar while it works, a table at the end. */

const barCells = 24;
const redrawMs = 100;

/**
 * @typedef {object} Measurement
 * @property {string} what
 * @property {string} size
 * @property {number} seconds
 * @property {string} rate
 * @property {readonly number[]} latenciesMs sorted; of single requests
 * @property {boolean} isVerified
 */

/**
 * A bar for one step. On a terminal its line is rewritten; elsewhere one plain line stands for the
 * step, written at its end.
 *
 * @param {string} label
 * @param {NodeJS.WriteStream} [stream]
 */
export function createBar(label, stream = process.stdout) {
  const rewrites = stream.isTTY === true;
  const startedMs = performance.now();
  let drawnMs = -Infinity;
  return {
    /** @param {number} share of the work that is done, 0 to 1 */
    update(share) {
      const now = performance.now();
      if (!rewrites || now - drawnMs < redrawMs) return;
      drawnMs = now;
      const full = Math.round(share * barCells);
      const bar = '█'.repeat(full) + '░'.repeat(barCells - full);
      const percent = `${Math.floor(share * 100)}%`.padStart(4);
      stream.write(`\r\x1b[K  ${bar} ${percent}  ${label}`);
    },
    /** @param {string} result */
    end(result) {
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
      stream.write(`${rewrites ? '\r\x1b[K  ✓ ' : ''}${label}: ${result}  ${seconds} s\n`);
    },
    /** Leaves the line as it is, for an error message below it. */
    abandon() {
      if (rewrites) stream.write('\n');
    },
  };
}

/**
 * @param {readonly Measurement[]} measurements
 * @returns {string} a table of fixed width
 */
export function formatTable(measurements) {
  const head = ['what', 'size', 'time', 'rate', 'p50', 'p99', 'verified'];
  const rows = measurements.map((each) => [
    each.what,
    each.size,
    `${each.seconds.toFixed(2)} s`,
    each.rate,
    formatLatency(percentile(each.latenciesMs, 0.5)),
    formatLatency(percentile(each.latenciesMs, 0.99)),
    each.isVerified ? '✓' : 'no',
  ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  /** @param {readonly string[]} cells */
  const line = (cells) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ');
  const rule = widths.map((width) => '─'.repeat(width)).join('──');
  return [line(head), rule, ...rows.map(line)].join('\n');
}

/**
 * @param {number} bytes
 * @param {number} seconds
 */
export function formatThroughput(bytes, seconds) {
  return `${(bytes / seconds / 1e6).toFixed(1)} MB/s`;
}

/**
 * @param {number} count
 * @param {number} seconds
 */
export function formatOperations(count, seconds) {
  return `${Math.round(count / seconds)} ops/s`;
}

/** @param {number} ms */
function formatLatency(ms) {
  return ms < 1 ? `${Math.round(ms * 1000)} µs` : `${ms.toFixed(1)} ms`;
}

/**
 * @param {readonly number[]} sorted
 * @param {number} share
 */
function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}
