/** Other people's packages in a bundle, and their licences, which go where their code goes. */
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

/**
 * @param {import('esbuild').Metafile} metafile of a bundle that was made in the current folder
 * @returns {string[]} the folders of the packages that are in it, sorted
 */
export function bundledPackages(metafile) {
  const folders = Object.keys(metafile.inputs).flatMap((path) => {
    const [, folder] = /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path) ?? [];
    return folder === undefined ? [] : [resolve(folder)];
  });
  return [...new Set(folders)].sort();
}

/**
 * @param {readonly string[]} folders of packages
 * @returns {string} for each its name and its licence
 */
export function licenceTexts(folders) {
  return folders
    .map((folder) => {
      const { name, version, license } = JSON.parse(
        readFileSync(join(folder, 'package.json'), 'utf8'),
      );
      const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
      const text = file === undefined ? `${license}\n` : readFileSync(join(folder, file), 'utf8');
      const title = `${name} ${version}`;
      return `\n${title}\n${'='.repeat(title.length)}\n${text}`;
    })
    .join('');
}
