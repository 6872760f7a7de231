/**
 * `pnpm layers`: the import rules of .dependency-cruiser.cjs hold, and the check itself works.
 *
 * A rule checker that cannot parse or resolve anything reports no violation either. So this asserts
 * that every source file was read, and plants one violation of each rule in a copy of the sources
 * and expects each to be found.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { withPlantedCopy } from './planted-copy.mjs';
import { ownFiles, repositoryRoot } from './repository.mjs';
import { runCaptured } from './run-command.mjs';

/**
 * @typedef {{ from: string, to: string, rule: { name: string }, cycle?: { name: string }[] }} Violation
 */
/**
 * @typedef {object} CruiseResult
 * @property {{ source: string, dependencies: { resolved: string }[] }[]} modules
 * @property {{ violations: Violation[] }} summary
 */

const tloe = 'packages/tloe-protocol/src';
const nbd = 'packages/nbd-protocol/src';

/** One violation of each rule: the offending file imports the target, which is planted as well. */
const violations = [
  violation('tloe-wire-imports-only-below', `${tloe}/wire`, '../link/planted-target.ts'),
  violation('tloe-link-imports-only-below', `${tloe}/link`, '../tilelink/planted-target.ts'),
  violation('tloe-tilelink-imports-only-below', `${tloe}/tilelink`, '../host/planted-target.ts'),
  violation('tloe-host-imports-only-below', `${tloe}/host`, '../testing/planted-target.ts'),
  violation('tloe-base-imports-only-base', `${tloe}/text`, '../wire/planted-target.ts'),
  violation('tloe-node-imports-only-host-and-wire', `${tloe}/node`, '../link/planted-target.ts'),
  violation('tloe-nobody-imports-node', `${tloe}/host`, '../node/planted-target.ts'),
  violation('pure-packages-import-no-node-module', `${tloe}/host`, 'node:fs'),
  violation('pure-packages-import-no-node-module', `${nbd}/session`, 'node:fs'),
  violation('pure-packages-import-no-package', `${tloe}/host`, 'fast-check'),
  violation('pure-testing-imports-only-test-tools', `${nbd}/testing`, 'typescript'),
  violation('no-testing-code-in-production', `${nbd}/session`, '../testing/planted-target.ts'),
  violation(
    'simulator-takes-only-the-simulated-wire',
    'packages/sim-endpoint/src/deep',
    './planted-target.test.ts',
  ),
  violation('tloe-protocol-imports-only-its-floors', `${tloe}/host`, across('rawsock')),
  violation('nbd-protocol-imports-only-its-floors', `${nbd}/session`, across('tloe-protocol')),
  violation('rawsock-imports-only-its-floors', 'packages/rawsock/src/deep', across('nbd-protocol')),
  violation(
    'nbd-kernel-imports-only-its-floors',
    'packages/nbd-kernel/src/deep',
    across('rawsock'),
  ),
  violation(
    'sim-endpoint-imports-only-its-floors',
    'packages/sim-endpoint/src/deep',
    across('nbd-protocol'),
  ),
  violation(
    'oxmem-tloe-imports-only-its-floors',
    'packages/oxmem-tloe/src/deep',
    across('sim-endpoint'),
  ),
  violation(
    'oxmem-bdev-imports-only-its-floors',
    'packages/oxmem-bdev/src/deep',
    '../../../../tests/planted-target.ts',
  ),
  violation('one-door-to-native-code', 'packages/rawsock/src/deep', 'node-gyp-build'),
  violation(
    'packages-are-entered-by-their-exports',
    'packages/sim-endpoint/src/deep',
    '../../../tloe-protocol/src/link/planted-target.ts',
  ),
  violation('no-dev-dependency-in-production', 'packages/rawsock/src/deep', 'node-gyp'),
  violation('no-circular', 'packages/rawsock/src/deep', './planted-cycle.ts'),
  violation('no-unresolvable', 'packages/rawsock/src/deep', './planted-nowhere.ts'),
];

/** Imports that are allowed and must not be reported. */
const allowed = [
  violation('', `${tloe}/testing`, '../host/planted-target.ts'),
  violation('', `${tloe}/testing`, 'fast-check'),
  violation('', `${tloe}/node`, 'node:timers'),
  violation('', 'packages/oxmem-bdev/src/deep', '@oxmem/tloe-protocol', `${tloe}/index.ts`),
  violation(
    '',
    'packages/sim-endpoint/src/deep',
    '@oxmem/tloe-protocol/testing',
    `${tloe}/testing/index.ts`,
  ),
  { ...violation('', 'packages/rawsock/src/deep', 'node-gyp-build'), file: doorFile() },
];

/**
 * @param {string} rule
 * @param {string} folder of the offending file
 * @param {string} target what it imports
 * @param {string} [entry] the file that the target leads to, planted when nobody wrote it yet
 */
function violation(rule, folder, target, entry) {
  const name = `${rule === '' ? 'allowed' : rule}-${target.replaceAll(/[^a-z]+/g, '-')}`;
  return { rule, file: `${folder}/planted-${name}.ts`, folder, target, entry };
}

/** @param {string} packageName */
function across(packageName) {
  return `../../../${packageName}/src/planted-target/index.ts`;
}

function doorFile() {
  return 'packages/rawsock/src/deep/load-binding.ts';
}

/** @returns {Record<string, string>} all planted files */
function plantedFiles() {
  const target = 'export const planted = 1;\n';
  /** @type {Record<string, string>} */
  const files = {
    'packages/rawsock/src/deep/planted-nothing.ts': target,
    'packages/rawsock/src/deep/planted-door-user.ts': "export * from './load-binding.ts';\n",
  };
  for (const { file, folder, target: imported, entry } of [...violations, ...allowed]) {
    if (entry !== undefined && !existsSync(join(repositoryRoot, entry))) files[entry] = target;
    files[file] =
      `import * as planted from '${imported}';\nexport const used: unknown = planted;\n`;
    if (imported.startsWith('.') && !imported.includes('nowhere')) {
      files[join(folder, imported)] = target;
    }
    if (imported === './planted-cycle.ts') {
      const back = `./${file.split('/').at(-1)}`;
      files[join(folder, imported)] =
        `import * as planted from '${back}';\n${target.replace('planted', 'cycle')}export const used: unknown = planted;\n`;
    }
  }
  return files;
}

/**
 * @param {string} folder
 * @returns {Promise<CruiseResult>}
 */
async function cruise(folder) {
  const command = join(repositoryRoot, 'node_modules', '.bin', 'depcruise');
  const argv = [command, 'packages', '--config', '.dependency-cruiser.cjs', '-T', 'json'];
  const result = await runCaptured(argv, { cwd: folder });
  try {
    return JSON.parse(result.output);
  } catch {
    throw new Error(`dependency-cruiser did not run:\n${result.output}`);
  }
}

/** @param {string} path */
function isPackageSource(path) {
  return /^packages\/[^/]+\/src\/.*\.ts$/.test(path);
}

/**
 * @param {CruiseResult} result
 * @param {readonly string[]} sources what must have been read
 * @returns {string[]} what is wrong with the real sources
 */
function problemsOf(result, sources) {
  const read = new Set(result.modules.map(({ source }) => source));
  const unread = sources.filter((path) => !read.has(path));
  const dependencies = result.modules.reduce((sum, module) => sum + module.dependencies.length, 0);
  return [
    ...result.summary.violations.map(({ from, to, rule }) => `${rule.name}: ${from} -> ${to}`),
    ...unread.map((path) => `not read by dependency-cruiser: ${path}`),
    ...(sources.length === 0 ? ['there is no source file'] : []),
    ...(dependencies < sources.length / 2 ? [`only ${dependencies} imports were seen`] : []),
  ];
}

/**
 * @param {CruiseResult} result of the copy with the planted violations
 * @returns {string[]} what the check missed, or reported wrongly
 */
function selfTestProblems(result) {
  const reported = result.summary.violations;
  /** @param {string} file @param {string} rule */
  const isFound = (file, rule) =>
    reported.some(
      (each) =>
        each.rule.name === rule &&
        // A cycle is reported once, from whichever of its files.
        (each.from === file || (each.cycle?.some(({ name }) => name === file) ?? false)),
    );
  const config = createRequire(import.meta.url)('../.dependency-cruiser.cjs');
  /** @type {string[]} */
  const rules = config.forbidden.map((/** @type {{ name: string }} */ each) => each.name);
  return [
    ...rules
      .filter((name) => !violations.some(({ rule }) => rule === name))
      .map((name) => `self-test: no violation of ${name} is planted`),
    ...violations
      .filter(({ file, rule }) => !isFound(file, rule))
      .map(({ file, rule }) => `self-test: ${rule} did not find ${file}`),
    ...allowed.flatMap(({ file }) =>
      reported
        .filter((each) => each.from === file)
        .map((each) => `self-test: ${each.rule.name} wrongly reports ${file}`),
    ),
  ];
}

const sources = ownFiles(isPackageSource);
const real = await cruise(repositoryRoot);
const planted = await withPlantedCopy(plantedFiles(), cruise);
const problems = [...problemsOf(real, sources), ...selfTestProblems(planted)];
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exitCode = 1;
} else {
  console.log(
    `${real.modules.length} modules keep the layers; ` +
      `${violations.length} planted violations were found`,
  );
}
