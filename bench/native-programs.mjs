import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hasCommand } from '../scripts/debian-packages.mjs';
import { runCaptured } from '../scripts/run-command.mjs';
import { SetupError } from '../scripts/setup-error.mjs';

/** The programs in C that the benchmark needs, each of one source file and the headers. */
export const nativePrograms = /** @type {const} */ (['raw-ceiling', 'exchange', 'nbd-load']);

const sourceFolder = join(import.meta.dirname, 'native');
const buildFolder = join(import.meta.dirname, 'build');
const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread'];

/** @param {typeof nativePrograms[number]} name */
export function nativeProgram(name) {
  return join(buildFolder, name);
}

/**
 * Compiles what is older than any of the sources.
 *
 * @throws {SetupError} when there is no C compiler, or with what the compiler says
 */
export async function buildNativePrograms() {
  const changedAt = Math.max(
    ...readdirSync(sourceFolder).map((name) => statSync(join(sourceFolder, name)).mtimeMs),
  );
  for (const name of nativePrograms) {
    const program = nativeProgram(name);
    if (!existsSync(program) || statSync(program).mtimeMs <= changedAt) await build(name);
  }
}

/** @param {typeof nativePrograms[number]} name */
async function build(name) {
  const compiler = [process.env.CC ?? '', 'cc', 'gcc'].find(
    (each) => each !== '' && hasCommand(each),
  );
  if (compiler === undefined) {
    throw new SetupError(
      'There is no C compiler to build the programs with that are measured beside ours.',
      'Install one, on Debian: sudo apt-get install gcc libc6-dev',
    );
  }
  mkdirSync(buildFolder, { recursive: true });
  // Under a name of its own first: two benchmarks may start at once.
  const fresh = `${nativeProgram(name)}.${process.pid}`;
  const source = join(sourceFolder, `${name}.c`);
  try {
    const result = await runCaptured([compiler, ...flags, '-o', fresh, source, '-lm']);
    if (result.code !== 0) {
      throw new SetupError(
        `bench/native/${name}.c does not compile.`,
        `${compiler} with the C library's headers is needed (on Debian: gcc, libc6-dev).`,
        result.output,
      );
    }
    renameSync(fresh, nativeProgram(name));
  } finally {
    rmSync(fresh, { force: true });
  }
}
