import { spawnSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { repositoryRoot } from '../scripts/repository.mjs';

/**
 * Where figures come from; without this they mean nothing.
 *
 * @typedef {object} Machine
 * @property {string} cpu
 * @property {number} cores
 * @property {number} memoryGibibytes
 * @property {string} kernel
 * @property {string} node
 * @property {string} commit short id, with a plus sign when files differ from it
 */

/** @returns {Machine} */
export function describeMachine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGibibytes: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    commit: commitId(),
  };
}

/** @returns {number} processes that ran or wanted to in the last minute, on average */
export function loadAverage() {
  return Math.round((loadavg()[0] ?? NaN) * 100) / 100;
}

function commitId() {
  const git = (/** @type {string[]} */ ...args) =>
    spawnSync('git', args, { cwd: repositoryRoot, encoding: 'utf8' });
  const head = git('rev-parse', '--short', 'HEAD');
  if (head.status !== 0) return 'unknown';
  const isClean = git('status', '--porcelain').stdout === '';
  return `${head.stdout.trim()}${isClean ? '' : '+'}`;
}
