/**
 * `pnpm sim`: the simulation (tests/simulation), straight from the sources. Options: `--help`, and
 * docs/testing.md.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrap } from './bootstrap.mjs';
import { repositoryRoot } from './repository.mjs';
import { printFailure } from './setup-error.mjs';

/** What makes node run TypeScript out of the sources. */
export const typescriptArguments = [
  '--conditions=oxmem-source',
  `--import=${join(import.meta.dirname, 'typescript-loader.mjs')}`,
  '--enable-source-maps',
];

/**
 * Runs a TypeScript program of this repository.
 *
 * @param {string} program path relative to the root
 * @param {readonly string[]} args
 * @returns {Promise<number>} its exit code
 */
export function runTypescript(program, args) {
  const argv = [...typescriptArguments, join(repositoryRoot, program), ...args];
  const child = spawn(process.execPath, argv, { stdio: 'inherit' });
  const passOn = (/** @type {NodeJS.Signals} */ signal) => child.kill(signal);
  process.on('SIGINT', passOn);
  process.on('SIGTERM', passOn);
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', (code) => done(code ?? 1));
  });
}

/** @returns {Promise<number>} exit code */
async function sim() {
  if (!existsSync(join(repositoryRoot, 'node_modules', 'typescript'))) await bootstrap();
  return runTypescript('tests/simulation/main.ts', process.argv.slice(2));
}

if (process.argv[1] === import.meta.filename) {
  process.exitCode = await sim().catch((error) => {
    printFailure(error);
    return 1;
  });
}
