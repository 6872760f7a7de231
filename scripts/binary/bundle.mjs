/** All of the driver in one script, for the binary. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { bundledPackages, licenceTexts } from '../bundling/bundled-packages.mjs';
import { packageFolders, repositoryRoot } from '../repository.mjs';

/**
 * Written to by the bundler instead of `node-gyp-build` and of the file that reads the version: both
 * look beside the program, where nothing is.
 *
 * @returns {import('esbuild').Plugin}
 */
function partsOfTheBinary() {
  const manifest = join(repositoryRoot, 'packages', 'oxmem-bdev', 'package.json');
  const { version } = JSON.parse(readFileSync(manifest, 'utf8'));
  const loader = join(import.meta.dirname, 'addon-in-binary.mjs');
  return {
    name: 'parts-of-the-binary',
    setup(bundler) {
      bundler.onResolve({ filter: /^node-gyp-build$/ }, ({ importer }) => ({
        path: assetName(importer),
        namespace: 'addon',
      }));
      bundler.onLoad({ filter: /.*/, namespace: 'addon' }, ({ path }) => ({
        contents: `import { loadAddon } from ${JSON.stringify(loader)};
          export default () => loadAddon(${JSON.stringify(path)});`,
        resolveDir: import.meta.dirname,
      }));
      bundler.onLoad({ filter: /\/oxmem-bdev\/src\/cli\/program-version\.ts$/ }, () => ({
        contents: `export const readVersion = () => ${JSON.stringify(version)};`,
      }));
    },
  };
}

/**
 * @param {string} file of a native package
 * @returns {string} the name of its addon in the binary: that of the package's folder
 */
function assetName(file) {
  const folder = packageFolders().find((each) => file.startsWith(`${each}/`));
  return /[^/]+$/.exec(folder ?? file)?.[0] ?? '';
}

/** @returns {import('esbuild').BuildOptions} */
function settings() {
  return {
    entryPoints: [join(import.meta.dirname, 'start.mjs')],
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    conditions: ['oxmem-source'],
    plugins: [partsOfTheBinary()],
    define: { 'import.meta.url': '"file:///in/the/binary"' },
    logLevel: 'warning',
    legalComments: 'inline',
    keepNames: true,
  };
}

/**
 * @param {string} outfile
 * @returns {Promise<void>}
 */
export async function bundleDriver(outfile) {
  await build({ ...settings(), outfile });
}

/** @returns {Promise<string>} the licences of other people's packages that are in the bundle */
export async function driverLicences() {
  const { metafile } = await build({ ...settings(), write: false, metafile: true });
  return licenceTexts(bundledPackages(metafile));
}
