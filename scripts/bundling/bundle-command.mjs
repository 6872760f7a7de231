/**
 * The command of a package as one script, dist/command/main.js, which its file in bin/ starts. What
 * takes the most time at the start of a command is to find and load some 200 modules.
 *
 *   node ../../scripts/bundling/bundle-command.mjs
 *
 * runs in the package's folder and is a part of its `build`. Modules that are imported when they are
 * needed stand in files of their own beside the script. Native addons stay in their packages.
 * dist/command/THIRD-PARTY.txt has the licences of what came in with other people's packages.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { bundledPackages, licenceTexts } from './bundled-packages.mjs';

/** Below the package's folder; as deep as a module in src/, which may look for package.json. */
const outdir = join('dist', 'command');

/**
 * The native packages look for their addon beside themselves, and their code is in the bundle now.
 *
 * @type {import('esbuild').Plugin}
 */
const addonsInTheirPackages = {
  name: 'addons-in-their-packages',
  setup(bundler) {
    bundler.onResolve({ filter: /^node-gyp-build$/, namespace: 'file' }, ({ importer }) => ({
      path: nativePackage(importer),
      namespace: 'addon',
    }));
    bundler.onLoad({ filter: /.*/, namespace: 'addon' }, ({ path }) => ({
      contents: `import { createRequire } from 'node:module';
        import { dirname } from 'node:path';
        import nodeGypBuild from 'node-gyp-build';
        const manifest = ${JSON.stringify(`${path}/package.json`)};
        export default () =>
          nodeGypBuild(dirname(createRequire(import.meta.url).resolve(manifest)));`,
      resolveDir: join(import.meta.dirname, '..', '..', 'packages', path.replace('@oxmem/', '')),
    }));
  },
};

/**
 * @param {string} file of a native package of ours
 * @returns {string} the package's name
 */
function nativePackage(file) {
  const [, folder] = /\/packages\/([^/]+)\/src\//.exec(file) ?? [];
  if (folder === undefined) throw new Error(`${file} is in no package of ours`);
  return `@oxmem/${folder}`;
}

rmSync(outdir, { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: ['src/main.ts'],
  outdir,
  chunkNames: '[name]-[hash]',
  bundle: true,
  splitting: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  conditions: ['oxmem-source'],
  plugins: [addonsInTheirPackages],
  // For the libraries in it that are no ES modules and ask for parts of Node.
  banner: {
    js: "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);",
  },
  logLevel: 'warning',
  legalComments: 'inline',
  metafile: true,
});
writeFileSync(join(outdir, 'THIRD-PARTY.txt'), licenceTexts(bundledPackages(metafile)));
