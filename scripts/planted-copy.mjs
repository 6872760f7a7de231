/** A throw-away copy of the workspace's sources, to plant violations in. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { repositoryRoot } from './repository.mjs';

const rootFiles = [
  'package.json',
  'pnpm-workspace.yaml',
  'tsconfig.base.json',
  'tsconfig.check.json',
  'tsconfig.json',
  '.oxlintrc.json',
  '.dependency-cruiser.cjs',
];
const leftOut = new Set(['dist', 'build', 'native', 'prebuilds', 'vectors', '.turbo']);

/**
 * Copies configuration and packages to a temporary folder, plants files, runs `work` and removes the
 * copy. Dependencies resolve as in the original: links are copied as links.
 *
 * @template T
 * @param {Readonly<Record<string, string>>} planted path relative to the root -> content
 * @param {(folder: string) => Promise<T>} work
 * @param {readonly string[]} more folders and files to be copied besides, relative to the root
 * @returns {Promise<T>}
 */
export async function withPlantedCopy(planted, work, more = []) {
  const folder = mkdtempSync(join(tmpdir(), 'oxmem-planted-'));
  try {
    for (const name of rootFiles) cpSync(join(repositoryRoot, name), join(folder, name));
    for (const path of ['packages', ...more]) {
      cpSync(join(repositoryRoot, path), join(folder, path), {
        recursive: true,
        verbatimSymlinks: true,
        filter: (source) => !leftOut.has(basename(source)),
      });
    }
    symlinkSync(join(repositoryRoot, 'node_modules'), join(folder, 'node_modules'));
    for (const [path, content] of Object.entries(planted)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content);
    }
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
