/**
 * `pnpm lock:check`: the lock file and the npm settings name no host, so that everybody installs
 * from the registry that their own machine is set up for.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ownFiles, repositoryRoot } from './repository.mjs';

const isSettings = (/** @type {string} */ path) =>
  /(^|\/)(\.npmrc|pnpm-lock\.yaml|package-lock\.json|pnpm-workspace\.yaml)$/.test(path);
const files = ownFiles(isSettings);
const named = files.flatMap((path) =>
  readFileSync(join(repositoryRoot, path), 'utf8')
    .split('\n')
    .map((text, index) => ({ text, place: `${path}:${index + 1}` }))
    .filter(({ text }) => /https?:\/\/|\btarball:|^\s*registry\s*[=:]/.test(text))
    .map(({ text, place }) => `${place}: names a host: ${text.trim()}`),
);
const problems = existsSync(join(repositoryRoot, 'pnpm-lock.yaml'))
  ? named
  : ['pnpm-lock.yaml is missing'];
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exitCode = 1;
} else {
  console.log(`no host in ${files.join(', ')}`);
}
