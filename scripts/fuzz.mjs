/**
 * `pnpm fuzz`: hostile input to everything that takes any (tests/fuzz), straight from the sources.
 * Options: `--help`, and docs/testing.md.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrap } from './bootstrap.mjs';
import { repositoryRoot } from './repository.mjs';
import { printFailure } from './setup-error.mjs';
import { runTypescript } from './sim.mjs';

/** @returns {Promise<number>} exit code */
async function fuzz() {
  if (!existsSync(join(repositoryRoot, 'node_modules', 'typescript'))) await bootstrap();
  return runTypescript('tests/fuzz/main.ts', process.argv.slice(2));
}

process.exitCode = await fuzz().catch((error) => {
  printFailure(error);
  return 1;
});
