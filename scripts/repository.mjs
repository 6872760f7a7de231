/** Where things are in this repository. */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** The folder of the root package.json, absolute. */
export const repositoryRoot = dirname(import.meta.dirname);

/** Folders that hold nothing of ours. */
const foreignFolders = new Set([
  'node_modules',
  'dist',
  'build',
  'coverage',
  'results',
  'prebuilds',
]);

/** @returns {string[]} the absolute folders of the publishable packages */
export function packageFolders() {
  const parent = join(repositoryRoot, 'packages');
  return readdirSync(parent)
    .map((name) => join(parent, name))
    .filter((folder) => existsSync(join(folder, 'package.json')));
}

/** @returns {string[]} the absolute folders of all workspace packages but the root */
export function workspaceFolders() {
  const others = ['tests', 'bench'].map((name) => join(repositoryRoot, name));
  return [
    ...packageFolders(),
    ...others.filter((folder) => existsSync(join(folder, 'package.json'))),
  ];
}

/**
 * Lists our own files; dependencies, build results and dot folders of tools are left out.
 *
 * @param {(path: string) => boolean} accepts given the path relative to the root
 * @param {string} [folder] absolute; the root unless told
 * @returns {string[]} paths relative to the root, sorted
 */
export function ownFiles(accepts, folder = repositoryRoot) {
  /** @type {string[]} */
  const found = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      const isOurs = !foreignFolders.has(entry.name) && !/^\.(git|turbo|cache)$/.test(entry.name);
      if (isOurs) found.push(...ownFiles(accepts, path));
    } else if (entry.isFile() && accepts(relative(repositoryRoot, path))) {
      found.push(relative(repositoryRoot, path));
    }
  }
  return found.sort();
}
