import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { repositoryRoot } from '../scripts/repository.mjs';
import { formatPage } from './page.mjs';

/** @typedef {import('./report.mjs').Report} Report */

const resultsFolder = join(repositoryRoot, 'results');
const recordFolder = join(import.meta.dirname, 'history');

/**
 * Writes the results as JSON, a line of them to the history, and the page with the plots.
 *
 * @param {Report} report
 * @returns {string[]} lines that say where
 */
export function keepResults(report) {
  const { json, size, isRecorded } = report.options;
  if (json === undefined && size === 'smoke') return [];
  const name = `bench-${report.startedAt.slice(0, 19).replaceAll(':', '')}.json`;
  const file = resolve(json ?? join(resultsFolder, name));
  const text = `${JSON.stringify(report, undefined, 1)}\n`;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  const page = file.replace(/(\.json)?$/, '.html');
  const history = join(dirname(file), 'bench-history.jsonl');
  appendFileSync(history, `${JSON.stringify(summaryOf(report))}\n`);
  writeFileSync(page, formatPage(report, readHistory(history)));
  const lines = ['', `results: ${file}`, `plots:   ${page}`];
  if (!isRecorded) return lines;
  mkdirSync(recordFolder, { recursive: true });
  const record = join(
    recordFolder,
    `${report.startedAt.slice(0, 10)}-${report.machine.commit}.json`,
  );
  writeFileSync(record, text);
  return [...lines, `record:  ${record}`];
}

/**
 * What the history keeps of a run.
 *
 * @typedef {object} Summary
 * @property {string} startedAt
 * @property {string} commit
 * @property {Record<string, number>} medians by row and figure
 */

/**
 * @param {Report} report
 * @returns {Summary}
 */
function summaryOf({ startedAt, machine, rows }) {
  const medians = Object.fromEntries(
    rows.flatMap(({ name, figures }) =>
      figures.map(({ label, median }) => [
        label === undefined ? name : `${name}: ${label}`,
        median,
      ]),
    ),
  );
  return { startedAt, commit: machine.commit, medians };
}

/**
 * @param {string} file
 * @returns {Summary[]} from the oldest to the newest
 */
function readHistory(file) {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line));
}
