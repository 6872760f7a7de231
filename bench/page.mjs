/**
 * The results as one page with plots: no script, nothing from elsewhere.
 *
 * @typedef {import('./report.mjs').Report} Report
 * @typedef {import('./results.mjs').Summary} Summary
 * @typedef {import('./measure-row.mjs').FigureResult} FigureResult
 */
import { judge } from './report.mjs';

const WIDTH = 460;
const BAR = 18;
const SHOWN_RUNS = 40;
const colours = {
  aim: '#2a7f3f',
  met: '#7fae3a',
  missed: '#c0392b',
  unknown: '#888',
  none: '#4a6fa5',
};

/**
 * @param {Report} report
 * @param {readonly Summary[]} history from the oldest to the newest, this run included
 * @returns {string} a whole HTML document
 */
export function formatPage(report, history) {
  const { machine, startedAt, rows, loadAverage, options } = report;
  const sections = [...new Set(rows.map(({ section }) => section))];
  const where =
    `${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, Node ${machine.node}, ` +
    `commit ${machine.commit}, load ${loadAverage.before} to ${loadAverage.after}, ` +
    `${options.pairs} pairs`;
  const parts = sections.map((section) => {
    const own = rows.filter((row) => row.section === section);
    return `<h2>${escapeText(section)}</h2>\n<table>\n${own
      .flatMap((row) => row.figures.map((figure) => lineOf(row.name, figure, history)))
      .join('\n')}\n</table>`;
  });
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Benchmark ${escapeText(startedAt)}</title>
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; max-width: 75em; }
td { padding: 1px 12px 1px 0; white-space: nowrap; } td.n { text-align: right; }
</style></head><body>
<h1>Benchmark ${escapeText(startedAt)}</h1>
<p>${escapeText(where)}</p>
<p>Bars: median, with the range of the pairs as a line; dark mark: what must be reached, light mark:
the aim. Right: the last ${SHOWN_RUNS} runs on this machine.</p>
${parts.join('\n')}
</body></html>
`;
}

/**
 * @param {string} name
 * @param {FigureResult} figure
 * @param {readonly Summary[]} history
 */
function lineOf(name, figure, history) {
  const title = figure.label === undefined ? name : `${name}: ${figure.label}`;
  const value = `${Number(figure.median.toPrecision(3))} ${figure.isRatio ? 'x' : figure.unit}`;
  const past = history.slice(-SHOWN_RUNS).map(({ medians }) => medians[title] ?? NaN);
  return (
    `<tr><td>${escapeText(title)}</td><td class="n">${escapeText(value)}</td>` +
    `<td>${barOf(figure)}</td><td>${sparkOf(past)}</td></tr>`
  );
}

/** @param {FigureResult} figure */
function barOf({ median, least, most, goal }) {
  const marks = goal === undefined ? [] : [goal.least, goal.aim];
  const end = 1.05 * Math.max(median, most, ...marks, Number.MIN_VALUE);
  const x = (/** @type {number} */ value) => ((WIDTH * Math.max(0, value)) / end).toFixed(1);
  const colour = colours[goal === undefined ? 'none' : judge(goal, median)];
  const shapes = [
    `<rect width="${x(median)}" height="${BAR}" fill="${colour}"/>`,
    `<path d="M${x(least)} ${BAR / 2}H${x(most)}" stroke="#222"/>`,
    ...marks.map(
      (mark, index) =>
        `<path d="M${x(mark)} 0V${BAR}" stroke="${index === 0 ? '#000' : '#999'}" stroke-width="2"/>`,
    ),
  ];
  return `<svg width="${WIDTH}" height="${BAR}">${shapes.join('')}</svg>`;
}

/** @param {readonly number[]} values gaps are NaN */
function sparkOf(values) {
  const known = values.filter(Number.isFinite);
  if (known.length < 2) return '';
  const top = Math.max(...known);
  const points = values.flatMap((value, index) =>
    Number.isFinite(value) ? [`${4 * index},${(BAR - (BAR * value) / top).toFixed(1)}`] : [],
  );
  const width = 4 * values.length;
  return `<svg width="${width}" height="${BAR}"><polyline points="${points.join(' ')}" fill="none" stroke="#4a6fa5"/></svg>`;
}

/** @param {string} text */
function escapeText(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
