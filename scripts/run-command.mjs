/** Child processes for the scripts: output caught, no standard input, never a shell. */
import { spawn } from 'node:child_process';

/**
 * @typedef {object} CommandResult
 * @property {number} code exit code; 127 when the program could not be started, 128 after a signal
 * @property {string} output standard output and standard error as they came
 */

/**
 * Runs a program to its end and catches what it prints.
 *
 * @param {readonly string[]} argv program and arguments
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<CommandResult>} never rejects; a program that cannot start is code 127
 */
export function runCaptured(argv, options = {}) {
  const [program = '', ...args] = argv;
  return new Promise((resolve) => {
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    /** @param {Buffer} chunk */
    const collect = (chunk) => {
      output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', (error) => resolve({ code: 127, output: `${program}: ${error.message}\n` }));
    child.on('close', (code, signal) => {
      if (signal !== null) output += `ended by ${signal}\n`;
      resolve({ code: code ?? 128, output });
    });
  });
}

/**
 * Runs a program whose output goes straight to ours.
 *
 * @param {readonly string[]} argv program and arguments
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, timeoutMs?: number }} [options] after `timeoutMs`
 *   the program is ended (SIGTERM, five seconds later SIGKILL)
 * @returns {Promise<{ code: number, problem?: string }>} `problem`: why it did not end by itself
 */
export function runShown(argv, { timeoutMs, ...options } = {}) {
  const [program = '', ...args] = argv;
  return new Promise((resolve) => {
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'inherit', 'inherit'] });
    /** @type {string | undefined} */
    let problem;
    /** @type {NodeJS.Timeout[]} */
    const timers = [];
    if (timeoutMs !== undefined) {
      const stop = () => {
        problem = `ended by force after ${Math.round(timeoutMs / 60_000)} minutes`;
        child.kill('SIGTERM');
        timers.push(setTimeout(() => child.kill('SIGKILL'), 5_000));
      };
      timers.push(setTimeout(stop, timeoutMs));
    }
    child.on('error', (error) => {
      timers.forEach(clearTimeout);
      resolve({ code: 127, problem: `${program}: ${error.message}` });
    });
    child.on('close', (code, signal) => {
      timers.forEach(clearTimeout);
      if (signal !== null) problem ??= `ended by ${signal}`;
      resolve(problem === undefined ? { code: code ?? 128 } : { code: code ?? 128, problem });
    });
  });
}

/**
 * @param {string} text
 * @param {number} lineCount
 * @returns {string} the last lines of a text
 */
export function tail(text, lineCount) {
  const lines = text.trimEnd().split('\n');
  const left = lines.length - lineCount;
  return left > 0
    ? [`(${left} lines above left out)`, ...lines.slice(-lineCount)].join('\n')
    : lines.join('\n');
}
