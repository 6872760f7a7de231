/** Tarballs of the packages, as they would be published. */
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { nativePackageFolders, prebuiltFile } from '../native-prebuild/prebuild.mjs';
import { hostTarget } from '../native-prebuild/targets.mjs';
import { packageFolders } from '../repository.mjs';
import { runCaptured, tail } from '../run-command.mjs';

/**
 * @typedef {object} PackedPackage
 * @property {string} name
 * @property {string} folder absolute
 * @property {string} tarball absolute
 * @property {Record<string, any>} manifest as it is in the tarball
 */

/**
 * Packs every public package.
 *
 * @param {string} destination an existing folder
 * @param {NodeJS.ProcessEnv} env with pnpm on its PATH
 * @returns {Promise<PackedPackage[]>}
 */
export async function packAll(destination, env) {
  return await Promise.all(packageFolders().map((folder) => pack(folder, destination, env)));
}

/**
 * @param {string} folder of the package
 * @param {string} destination
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<PackedPackage>}
 */
async function pack(folder, destination, env) {
  const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const tarball = join(destination, `${name.replace(/^@/, '').replace('/', '-')}.tgz`);
  const result = await runCaptured(['pnpm', 'pack', '--out', tarball], { cwd: folder, env });
  if (result.code !== 0 || !existsSync(tarball)) {
    throw new Error(`${name} could not be packed:\n${tail(result.output, 20)}`);
  }
  const manifest = JSON.parse(await demand(['tar', '-xOzf', tarball, 'package/package.json']));
  return { name, folder, tarball, manifest };
}

/**
 * @param {PackedPackage} packed
 * @returns {Promise<string[]>} the paths of its files, without the leading `package/`
 */
export async function packedFiles({ tarball }) {
  const list = await demand(['tar', '-tzf', tarball]);
  return list
    .trim()
    .split('\n')
    .map((path) => path.replace(/^package\//, ''));
}

/**
 * Replaces the addons in the tarball of a native package by the one that was built for this machine,
 * in the place of a prebuilt one: nobody waits for a cross compiler to see that packages install.
 *
 * @param {PackedPackage} packed
 * @returns {Promise<void>}
 */
export async function putOwnAddonIn({ folder, tarball }) {
  const target = hostTarget();
  if (target === undefined || !nativePackageFolders().includes(folder)) return;
  const work = `${tarball}.d`;
  mkdirSync(work);
  await demand(['tar', '-xzf', tarball, '-C', work]);
  const unpacked = join(work, 'package');
  rmSync(join(unpacked, 'prebuilds'), { recursive: true, force: true });
  const place = prebuiltFile(unpacked, target);
  mkdirSync(dirname(place), { recursive: true });
  const release = join(folder, 'build', 'Release');
  const addon = readdirSync(release).find((name) => name.endsWith('.node')) ?? '';
  cpSync(join(release, addon), place);
  await demand(['tar', '-czf', tarball, '-C', work, 'package']);
  rmSync(work, { recursive: true });
}

/** @param {readonly string[]} argv */
async function demand(argv) {
  const { code, output } = await runCaptured(argv);
  if (code === 0) return output;
  throw new Error(`${argv.join(' ')} failed:\n${tail(output, 10)}`);
}
