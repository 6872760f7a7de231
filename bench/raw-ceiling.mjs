import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hasCommand } from '../scripts/debian-packages.mjs';
import { runCaptured } from '../scripts/run-command.mjs';
import { SetupError } from '../scripts/setup-error.mjs';
import { Child } from './children.mjs';

const source = join(import.meta.dirname, 'native', 'raw-ceiling.c');
const program = join(import.meta.dirname, 'build', 'raw-ceiling');
const flags = ['-std=c11', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread'];

/**
 * One line of raw-ceiling.
 *
 * @typedef {object} Ceiling
 * @property {number} frameBytes
 * @property {number} payloadBytes of a frame
 * @property {number} seconds
 * @property {number} framesSent
 * @property {number} framesArrived
 * @property {number} framesPerSecond that arrived
 * @property {number} payloadMegabytesPerSecond
 * @property {number} wireMegabytesPerSecond
 */

/**
 * Compiles the flooder unless it is newer than its source.
 *
 * @throws {SetupError} when there is no C compiler, or with what the compiler says
 */
export async function buildRawCeiling() {
  if (existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs) return;
  const compiler = [process.env.CC ?? '', 'cc', 'gcc'].find(
    (name) => name !== '' && hasCommand(name),
  );
  if (compiler === undefined) {
    throw new SetupError(
      'There is no C compiler to build the measurement of the ceiling with.',
      'Install one, on Debian: sudo apt-get install gcc libc6-dev',
    );
  }
  mkdirSync(join(import.meta.dirname, 'build'), { recursive: true });
  // Under a name of its own first: two benchmarks may start at once.
  const fresh = `${program}.${process.pid}`;
  try {
    const result = await runCaptured([compiler, ...flags, '-o', fresh, source]);
    if (result.code !== 0) {
      throw new SetupError(
        'bench/native/raw-ceiling.c does not compile.',
        `${compiler} with the C library's headers is needed (on Debian: gcc, libc6-dev).`,
        result.output,
      );
    }
    renameSync(fresh, program);
  } finally {
    rmSync(fresh, { force: true });
  }
}

/**
 * Floods the wire once from the driver's end to the endpoint's end.
 *
 * @param {import('../scripts/netns.mjs').VethLab} lab where nobody else uses the wire
 * @param {number} frameBytes
 * @param {number} seconds
 * @returns {Promise<Ceiling>}
 */
export async function measureCeiling(lab, frameBytes, seconds) {
  const sender = [lab.local.name, '/proc/self/ns/net'];
  const receiver = [lab.peer.name, `/proc/${lab.peerPid}/ns/net`];
  const numbers = [String(frameBytes), String(seconds)];
  const child = new Child('raw-ceiling', [program, ...sender, ...receiver, ...numbers]);
  await child.succeeded();
  return JSON.parse(child.output);
}
