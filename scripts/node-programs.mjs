/** Other Nodes than the one that runs: newer ones, and for other processors, from the npm registry. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from './repository.mjs';
import { runCaptured } from './run-command.mjs';
import { SetupError } from './setup-error.mjs';

/**
 * The program `node` of a version, fetched once.
 *
 * @param {string} version `24`, `20.20.2`
 * @param {'x64' | 'arm64'} [arch] this machine's unless told
 * @returns {Promise<string>} its path
 */
export async function provideNode(version, arch = hostArch()) {
  const name = `node-linux-${arch}`;
  const cache = join(repositoryRoot, 'node_modules', '.cache', 'oxmem', 'node');
  const folder = join(cache, `${name}-${version}`);
  const program = join(folder, 'node_modules', name, 'bin', 'node');
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--force'];
  const argv = ['npm', 'install', ...options, `${name}@${version}`];
  const { output } = await runCaptured(argv, { cwd: folder });
  if (existsSync(program)) return program;
  const sentence = `Node ${version} for ${arch} could not be fetched.`;
  throw new SetupError(sentence, `It is the npm package ${name}.`, output);
}

function hostArch() {
  return process.arch === 'arm64' ? 'arm64' : 'x64';
}
