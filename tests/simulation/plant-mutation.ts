import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withPlantedCopy } from '../../scripts/planted-copy.mjs';
import { typescriptArguments } from '../../scripts/sim.mjs';
import type { Mutation } from './mutations.ts';

const root = join(import.meta.dirname, '..', '..');

/** What the simulation made of a bug. */
export interface MutationResult {
  readonly mutation: Mutation;
  /** What it said; undefined: it noticed nothing. */
  readonly found: string | undefined;
  readonly seconds: number;
}

/**
 * The text of a file with the bug in it.
 *
 * @throws Error when the patch does not apply any more
 */
export function mutated(mutation: Mutation, text: string): string {
  const places = text.split(mutation.find).length - 1;
  if (places === 1) return text.replace(mutation.find, () => mutation.replace);
  throw new Error(
    `the patch "${mutation.name}" does not apply: its text stands ${places} times in ` +
      `${mutation.file}, not once. Adapt it in tests/simulation/mutations.ts.`,
  );
}

/** Reads the file of a mutation and puts the bug into it. */
export function mutatedFile(mutation: Mutation): string {
  return mutated(mutation, readFileSync(join(root, mutation.file), 'utf8'));
}

/**
 * Plants one bug after the other in a copy of the sources, and lets the simulation look for it.
 *
 * @param onResult  told of each
 */
export async function plantMutations(
  mutations: readonly Mutation[],
  onResult: (result: MutationResult) => void,
): Promise<void> {
  const texts = mutations.map(mutatedFile);
  await withPlantedCopy(
    {},
    async (folder) => {
      for (const [index, mutation] of mutations.entries()) {
        const file = join(folder, mutation.file);
        const original = readFileSync(file, 'utf8');
        writeFileSync(file, texts[index] as string);
        onResult(await look(mutation, folder));
        writeFileSync(file, original);
      }
    },
    ['scripts', 'tests/simulation', 'tests/package.json', 'tests/node_modules'],
  );
}

async function look(mutation: Mutation, folder: string): Promise<MutationResult> {
  const startedMillis = performance.now();
  const main = join(folder, 'tests', 'simulation', 'main.ts');
  const options = [
    `--runs=${mutation.withinSeeds}`,
    '--first-seed=1',
    '--workers=1',
    '--no-shrink',
  ];
  const { code, output } = await run([...typescriptArguments, main, ...options], folder);
  const seconds = (performance.now() - startedMillis) / 1000;
  const found = /^sim: (seed \d+: .*)$/m.exec(output)?.[1];
  if (code !== 0 && found === undefined) {
    throw new Error(`the simulation did not run with "${mutation.name}":\n${output}`);
  }
  return { mutation, found, seconds };
}

function run(argv: readonly string[], cwd: string): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, argv, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const take = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, output }));
  });
}
