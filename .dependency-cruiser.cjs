/**
 * Which way imports may go. Every rule here is tested with a planted violation by
 * scripts/layers.mjs (`pnpm layers`): a rule without one fails that check.
 */

const fs = require('node:fs');
const path = require('node:path');

const test = '\\.(test|bench)\\.ts$';
const testing = '^packages/[^/]+/src/(testing/|.*\\.(test|bench)\\.ts$)';
const tloe = '^packages/tloe-protocol/src/';
const simulator = '^packages/sim-endpoint/src/';
/** What every layer of tloe-protocol may use: the files beside index.ts, and the parsers. */
const tloeBase = `${tloe}((?!index\\.ts$)[^/]+\\.ts$|text/)`;

/** The layers of tloe-protocol, lowest first; each may use itself, those before it, and the base. */
const layers = ['wire', 'link', 'tilelink', 'host'];

const layerRules = layers.map((layer, index) => ({
  name: `tloe-${layer}-imports-only-below`,
  comment:
    'testing -> host -> tilelink -> link -> wire: a lower layer does not know the upper ones',
  severity: 'error',
  from: { path: `${tloe}${layer}/`, pathNot: test },
  to: {
    path: '^packages/',
    pathNot: [...layers.slice(0, index + 1).map((below) => `${tloe}${below}/`), tloeBase],
  },
}));

/** What each package may import of the workspace (its tests may import more). */
const workspaceImports = {
  'tloe-protocol': [],
  'nbd-protocol': [],
  rawsock: [],
  'nbd-kernel': [],
  'sim-endpoint': ['tloe-protocol', 'rawsock'],
  'oxmem-tloe': ['tloe-protocol', 'rawsock'],
  'oxmem-bdev': ['tloe-protocol', 'rawsock', 'nbd-protocol', 'nbd-kernel', 'sim-endpoint'],
};

const packageRules = Object.entries(workspaceImports).map(([name, allowed]) => ({
  name: `${name}-imports-only-its-floors`,
  comment: allowed.length === 0 ? 'imports no workspace package' : `only ${allowed.join(', ')}`,
  severity: 'error',
  from: { path: `^packages/${name}/src/`, pathNot: test },
  to: {
    path: '^(packages|tests|bench|scripts)/',
    pathNot: [name, ...allowed].map((each) => `^packages/${each}/`),
  },
}));

/** @returns {string[]} patterns of the source files that packages export */
function entryFiles() {
  const packages = path.join(__dirname, 'packages');
  const names = fs
    .readdirSync(packages)
    .filter((name) => fs.existsSync(path.join(packages, name, 'package.json')));
  return names.flatMap((name) => {
    const manifest = fs.readFileSync(path.join(packages, name, 'package.json'), 'utf8');
    return Object.values(JSON.parse(manifest).exports ?? {})
      .map((entry) => entry['oxmem-source'])
      .filter((file) => file !== undefined)
      .map((file) => `^packages/${name}/${file.slice(2).replaceAll('.', '\\.')}$`);
  });
}

module.exports = {
  forbidden: [
    ...layerRules,
    ...packageRules,
    {
      name: 'tloe-base-imports-only-base',
      comment: 'units, assert, byte regions and parsers stand below all layers',
      severity: 'error',
      from: { path: tloeBase, pathNot: test },
      to: { path: '^packages/', pathNot: tloeBase },
    },
    {
      name: 'tloe-node-imports-only-host-and-wire',
      comment: 'node/ implements ports of host/ and carries bytes of wire/ to and from files',
      severity: 'error',
      from: { path: `${tloe}node/`, pathNot: test },
      to: {
        path: '^packages/',
        pathNot: [`${tloe}node/`, `${tloe}host/`, `${tloe}wire/`, tloeBase],
      },
    },
    {
      name: 'tloe-nobody-imports-node',
      comment: 'node/ is chosen by whoever composes a program',
      severity: 'error',
      from: { path: tloe, pathNot: [`${tloe}node/`, testing] },
      to: { path: `${tloe}node/` },
    },
    {
      name: 'pure-packages-import-no-node-module',
      comment: 'they run wherever JavaScript runs',
      severity: 'error',
      from: {
        path: '^packages/(tloe-protocol|nbd-protocol)/src/',
        pathNot: ['/src/(node|testing)/', test],
      },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'pure-packages-import-no-package',
      comment: 'no dependency at all; their testing/ may use fast-check and vitest',
      severity: 'error',
      from: { path: '^packages/(tloe-protocol|nbd-protocol)/src/', pathNot: [testing] },
      to: { path: '(^|/)node_modules/' },
    },
    {
      name: 'pure-testing-imports-only-test-tools',
      comment: 'what ./testing needs, its users must install',
      severity: 'error',
      from: { path: '^packages/(tloe-protocol|nbd-protocol)/src/testing/' },
      to: {
        path: '(^|/)node_modules/',
        pathNot: '(^|/)node_modules/(fast-check|vitest|@types/node)/',
      },
    },
    {
      name: 'no-testing-code-in-production',
      comment: 'testing/ and tests are imported by testing/ and tests only',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: [testing, simulator] },
      to: { path: testing },
    },
    {
      name: 'simulator-takes-only-the-simulated-wire',
      comment: 'sim-endpoint is test equipment: it shares the fault plans and the seeded generator',
      severity: 'error',
      from: { path: simulator, pathNot: testing },
      to: { path: testing, pathNot: `${tloe}testing/index\\.ts$` },
    },
    {
      name: 'one-door-to-native-code',
      comment: 'only load-binding.ts knows how an addon is found',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: '/load-binding\\.ts$' },
      to: { path: '(^|/)node_modules/node-gyp-build/' },
    },
    {
      name: 'packages-are-entered-by-their-exports',
      comment: 'what a package does not export is its own business',
      severity: 'error',
      from: { path: '^packages/([^/]+)/' },
      to: {
        path: '^packages/[^/]+/src/',
        pathNot: ['^packages/$1/', ...entryFiles()],
      },
    },
    {
      name: 'no-dev-dependency-in-production',
      comment: 'a user of the package does not have it',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: testing },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-circular',
      comment: 'a cycle has no lower end to start reading at',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-unresolvable',
      comment: 'an import that the tool cannot follow escapes every other rule',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|build|native)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.check.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['oxmem-source', 'import', 'types', 'node', 'default'],
      extensions: ['.ts', '.mts', '.js', '.mjs', '.cjs', '.json', '.d.ts'],
    },
  },
};
