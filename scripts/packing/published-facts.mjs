/** What a package tells the world about itself, and whether it can be published as it is. */

import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { isPrebuilt, nativePackageFolders, prebuiltFile } from '../native-prebuild/prebuild.mjs';
import { targets } from '../native-prebuild/targets.mjs';
import { repositoryRoot } from '../repository.mjs';
import { packedFiles } from './pack.mjs';

/** @typedef {import('./pack.mjs').PackedPackage} PackedPackage */

/**
 * Licence, repository and the like, as they are in the tarball.
 *
 * @param {PackedPackage} packed
 * @returns {Promise<string[]>} what is wrong
 */
export async function factProblems(packed) {
  const { name, folder, manifest } = packed;
  const root = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8'));
  const directory = relative(repositoryRoot, folder);
  const home = root.homepage.replace('#readme', `/tree/main/${directory}#readme`);
  /** @type {Record<string, unknown>} */
  const expected = {
    license: 'Apache-2.0',
    repository: { ...root.repository, directory },
    homepage: home,
    bugs: root.bugs,
    publishConfig: { access: 'public', provenance: true },
    engines: root.engines,
  };
  const files = await packedFiles(packed);
  return [
    ...Object.entries(expected)
      .filter(([key, value]) => JSON.stringify(manifest[key]) !== JSON.stringify(value))
      .map(([key, value]) => `${name}: ${key} should be ${JSON.stringify(value)}`),
    ...['LICENSE', 'README.md'].filter((file) => !files.includes(file)).map(missing),
    ...(JSON.stringify(manifest).includes('workspace:') ? [`${name}: names the workspace`] : []),
    ...(manifest['keywords']?.length > 0 ? [] : [`${name}: has no keywords`]),
  ];

  /** @param {string} file */
  function missing(file) {
    return `${name}: ${file} is not in the tarball`;
  }
}

/**
 * The prebuilt addons of every machine that we ship for: `--release` demands them.
 *
 * @param {PackedPackage} packed
 * @returns {Promise<string[]>} those that are missing
 */
export async function prebuildProblems(packed) {
  const { name, folder } = packed;
  if (!nativePackageFolders().includes(folder)) return [];
  const files = await packedFiles(packed);
  return targets
    .filter((target) => {
      const isPacked = files.includes(relative(folder, prebuiltFile(folder, target)));
      return !isPacked || !isPrebuilt(folder, target);
    })
    .map((target) => `${name}: no addon for ${target.name} that is newer than its sources`);
}
