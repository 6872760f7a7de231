/**
 * `pnpm lint:selftest`: plants one violation of each rule that the project relies on, in a copy of
 * the sources, and expects oxlint to report each of them, and to report none where it is allowed.
 */
import { join } from 'node:path';
import { withPlantedCopy } from './planted-copy.mjs';
import { repositoryRoot } from './repository.mjs';
import { runCaptured } from './run-command.mjs';

const pureFolders = ['packages/tloe-protocol/src/wire', 'packages/nbd-protocol/src/session'];
const plainFolder = 'packages/oxmem-bdev/src';

/** What the pure packages may not touch: rule -> code that breaks it. */
const impure = [
  ['no-restricted-globals', 'export const planted: number = Date.now();'],
  ['no-restricted-globals', 'export const planted: unknown = performance;'],
  ['no-restricted-globals', 'export const planted: unknown = setTimeout;'],
  ['no-restricted-globals', 'export const planted: unknown = setInterval;'],
  ['no-restricted-globals', 'export const planted: unknown = queueMicrotask;'],
  ['no-restricted-globals', 'export const planted: unknown = crypto;'],
  ['no-restricted-globals', 'export const planted: unknown = Buffer;'],
  ['no-restricted-globals', 'export const planted: unknown = process;'],
  ['no-restricted-globals', 'export const planted: unknown = globalThis;'],
  ['no-restricted-properties', 'export const planted: number = Math.random();'],
  ['no-restricted-imports', "import * as fs from 'node:fs';\nexport const planted: unknown = fs;"],
];

/** What no package may do. */
const careless = [
  ['max-lines', `${'// a line\n'.repeat(400)}export const planted: number = 1;`],
  ['max-lines-per-function', `export function planted(): void {\n${'  // a line\n'.repeat(70)}}`],
  [
    'max-params',
    'export function planted(a: 1, b: 2, c: 3, d: 4, e: 5): number {\n  return a + b + c + d + e;\n}',
  ],
  [
    'max-depth',
    'export function planted(a: number): number {\n' +
      '  if (a > 1) { if (a > 2) { if (a > 3) { if (a > 4) { return 1; } } } }\n  return 0;\n}',
  ],
  ['complexity', `export const planted = (a: number): boolean => a > 0${' || a > 1'.repeat(20)};`],
  ['no-console', "console.log('planted');\nexport {};"],
  ['no-unused-vars', 'const planted = 1;\nexport {};'],
  ['no-explicit-any', 'export function planted(value: any): void {\n  void value;\n}'],
  ['no-non-null-assertion', 'export const planted = (a?: number): number => a!;'],
  [
    'no-floating-promises',
    'async function run(): Promise<void> {\n  await Promise.resolve();\n}\nrun();\nexport {};',
  ],
  ['await-thenable', 'export async function planted(): Promise<void> {\n  await 1;\n}'],
  [
    'switch-exhaustiveness-check',
    "export function planted(a: 'x' | 'y'): number {\n  switch (a) {\n" +
      "    case 'x':\n      return 1;\n  }\n  return 0;\n}",
  ],
];

/** The same code where it is allowed: nothing may be reported. */
const allowed = [
  ['packages/tloe-protocol/src/node/planted.ts', 'export const planted: number = Date.now();'],
  [
    'packages/tloe-protocol/src/testing/planted.ts',
    "import * as fs from 'node:fs';\nexport const planted: unknown = fs;",
  ],
  [`${plainFolder}/planted-clock.ts`, 'export const planted: number = Date.now();'],
  [`${plainFolder}/planted.test.ts`, 'export const planted = (a?: number): number => a!;'],
];

const planted = [
  ...pureFolders.flatMap((folder) => cases(folder, impure)),
  ...cases(plainFolder, careless),
  ...allowed.map(([file = '', code = '']) => ({ rule: undefined, file, code })),
];

/**
 * @param {string} folder
 * @param {string[][]} list of rule and code
 */
function cases(folder, list) {
  return list.map(([rule = '', code = ''], index) => ({
    rule,
    file: `${folder}/planted-${rule}-${index}.ts`,
    code,
  }));
}

/**
 * @param {string} folder
 * @returns {Promise<{ filename: string, code?: string, message: string }[]>}
 */
async function lint(folder) {
  const command = join(repositoryRoot, 'node_modules', '.bin', 'oxlint');
  const files = planted.map(({ file }) => file);
  const result = await runCaptured([command, '--type-aware', '-f', 'json', ...files], {
    cwd: folder,
  });
  try {
    return JSON.parse(result.output).diagnostics;
  } catch {
    throw new Error(`oxlint did not run:\n${result.output}`);
  }
}

const reported = await withPlantedCopy(
  Object.fromEntries(planted.map(({ file, code }) => [file, `${code}\n`])),
  lint,
);
const problems = planted.flatMap(({ rule, file, code }) => {
  const own = reported.filter(({ filename }) => filename === file);
  if (rule === undefined)
    return own.map(({ message }) => `wrongly reported in ${file}: ${message}`);
  const isFound = own.some((each) => each.code?.includes(`(${rule})`));
  return isFound ? [] : [`${rule} did not find in ${file}:\n${code.slice(0, 200)}`];
});
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exitCode = 1;
} else {
  console.log(`${planted.length - allowed.length} planted violations were found`);
}
