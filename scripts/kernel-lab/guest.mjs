/**
 * Runs a program on a kernel of its own: a guest under software emulation, which needs neither KVM
 * nor any module of this machine's kernel. It sees this machine's files read-only below a layer in
 * RAM; one folder is shared for what shall come back.
 *
 * No time taken in it says anything about speed.
 */
import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fullPath } from '../debian-packages.mjs';
import { repositoryRoot } from '../repository.mjs';
import { tail } from '../run-command.mjs';
import { controlFolder } from './guest-scripts.mjs';
import { provideInitramfs } from './initramfs.mjs';
import { provideKernel } from './kernel-image.mjs';
import { provideLabTools } from './lab-tools.mjs';

/**
 * @typedef {object} KernelLab what a guest is booted from
 * @property {import('./kernel-image.mjs').KernelImage} kernel
 * @property {string} initramfs file
 */

/**
 * @typedef {object} GuestOptions
 * @property {KernelLab} lab
 * @property {number} timeoutMs from power-on to power-off; then the guest is ended and has failed
 * @property {string} [memory] as QEMU takes it, `4G` unless told
 * @property {number} [processors] 2 unless told
 * @property {NodeJS.ProcessEnv} [env] of the program; nothing of ours is inherited but the PATH
 * @property {string} [cwd] of the program; the root of the repository unless told
 * @property {string} [folder] shared with the guest and writable there, under the same path; a
 *   folder that goes away afterwards unless told
 * @property {string} [consoleFile] where the kernel's console is kept
 * @property {(text: string) => void} [onOutput] given what the program prints, as it comes
 */

/**
 * @typedef {object} GuestResult
 * @property {number} code exit code of the program; 128 when the guest did not come to its end
 * @property {string} [problem] why it did not: a panic, the time limit; with the console's tail
 * @property {string} output all that the program printed
 * @property {number} bootSeconds of the guest, until the program was started; NaN if it was not
 * @property {number} totalSeconds here, from power-on to power-off
 */

/** The kernel's console of the last guest, unless its caller wants it elsewhere. */
const defaultConsoleFile = join(repositoryRoot, 'results', 'kernel', 'console.log');

const kernelArguments = [
  'console=ttyS0',
  'panic=-1', // with -no-reboot a panic ends QEMU at once
  'oops=panic',
  'mitigations=off', // the guest runs nobody else's code
  'random.trust_cpu=on',
  'net.ifnames=0',
];

/**
 * Installs tools, fetches a kernel and builds the initial RAM disk, as far as it was not done.
 *
 * @param {import('../progress.mjs').Progress} progress
 * @returns {Promise<KernelLab>}
 * @throws {import('../setup-error.mjs').SetupError}
 */
export async function provideKernelLab(progress) {
  await provideLabTools(progress);
  const kernel = await provideKernel(progress);
  return { kernel, initramfs: provideInitramfs(kernel) };
}

/**
 * Boots a guest, runs one program in it as root and powers it off. Whatever happens to us, no guest
 * outlives us, and the folder made here is removed.
 *
 * @param {readonly string[]} argv program and arguments
 * @param {GuestOptions} options
 * @returns {Promise<GuestResult>}
 */
export async function runInGuest(argv, options) {
  const { consoleFile = defaultConsoleFile } = options;
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'oxmem-guest-'));
  const control = join(folder, controlFolder);
  const removed = options.folder === undefined ? folder : control;
  const forget = () => rmSync(removed, { recursive: true, force: true });
  try {
    rmSync(control, { recursive: true, force: true });
    mkdirSync(control, { recursive: true });
    mkdirSync(dirname(consoleFile), { recursive: true });
    writeFileSync(consoleFile, '');
    writeFileSync(join(control, 'settings'), settings(folder, options));
    writeFileSync(join(control, 'command'), command(argv, options));
    return await boot({ folder, control, consoleFile, forget }, options);
  } finally {
    forget();
  }
}

/** @typedef {{ folder: string, control: string, consoleFile: string, forget: () => void }} Places */

/**
 * @param {Places} places
 * @param {GuestOptions} options
 * @returns {Promise<GuestResult>}
 */
async function boot({ folder, control, consoleFile, forget }, options) {
  const { timeoutMs, onOutput = () => undefined } = options;
  const startedMs = performance.now();
  const program = machineArgv(folder, consoleFile, options);
  // The kernel ends QEMU with us, even when we are killed.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...program], {
    env: { ...process.env, PATH: fullPath() },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const output = followFile(join(control, 'output'), onOutput);
  const releaseSignals = endWithUs(child, forget);
  let complaint = '';
  child.stderr.on('data', (chunk) => (complaint += String(chunk)));
  let isLate = false;
  const limit = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  await new Promise((resolve) => {
    child.on('error', (error) => {
      complaint += error.message;
      resolve(undefined);
    });
    child.on('close', resolve);
  });
  clearTimeout(limit);
  releaseSignals();
  const text = output.finish();
  const status = readNumber(join(control, 'status'));
  const totalSeconds = (performance.now() - startedMs) / 1000;
  const times = { bootSeconds: readNumber(join(control, 'uptime')), totalSeconds };
  if (!isLate && Number.isInteger(status)) return { code: status, output: text, ...times };
  const log = readFileSync(consoleFile, 'utf8').replaceAll('\r', '');
  const what = isLate
    ? `the guest was ended by force after ${Math.round(timeoutMs / 1000)} s`
    : (/Kernel panic[^\n]*/.exec(log)?.[0] ?? 'the guest ended before the program did');
  const problem = `${what}\n${complaint}${tail(log, 40)}`;
  return { code: 128, problem, output: text, ...times };
}

/**
 * @param {string} folder
 * @param {string} consoleFile
 * @param {GuestOptions} options
 * @returns {string[]}
 */
function machineArgv(folder, consoleFile, { lab, memory = '4G', processors = 2 }) {
  const noComma = (/** @type {string} */ path) => path.replaceAll(',', ',,');
  const files = 'security_model=none,multidevs=remap';
  return [
    ['qemu-system-x86_64', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    // Emulation only: where /dev/kvm is there, guests may still hang in it. Programs that find a
    // processor with AVX use it, which is a fifth slower in emulation.
    [
      '-accel',
      'tcg,thread=multi',
      '-cpu',
      'Nehalem,+rdrand',
      '-smp',
      String(processors),
      '-m',
      memory,
    ],
    ['-kernel', lab.kernel.vmlinuz, '-initrd', lab.initramfs],
    ['-append', kernelArguments.join(' ')],
    ['-serial', `file:${noComma(consoleFile)}`],
    ['-virtfs', `local,path=/,mount_tag=root,readonly=on,${files}`],
    ['-virtfs', `local,path=${noComma(folder)},mount_tag=share,${files}`],
  ].flat();
}

/**
 * @param {string} folder
 * @param {GuestOptions} options
 */
function settings(folder, { lab }) {
  const lines = { share: folder, modules: lab.kernel.modulesFolder, PATH: fullPath() };
  return Object.entries(lines).map(assignment).join('');
}

/**
 * @param {readonly string[]} argv
 * @param {GuestOptions} options
 */
function command(argv, { env = {}, cwd = repositoryRoot }) {
  const given = Object.entries(env).filter(([, value]) => value !== undefined);
  const exports = given.map(([name, value = '']) => `export ${assignment([name, value])}`);
  return `${exports.join('')}cd ${quoted(cwd)} || exit 127\nexec ${argv.map(quoted).join(' ')}\n`;
}

/** @param {[string, string]} pair */
function assignment([name, value]) {
  return `${name}=${quoted(value)}\n`;
}

/** @param {string} text */
function quoted(text) {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/**
 * When we end before the guest, so does the guest, and nothing of it is left.
 *
 * @param {import('node:child_process').ChildProcess} child
 * @param {() => void} forget
 * @returns {() => void} call it when the guest has ended
 */
function endWithUs(child, forget) {
  const end = () => {
    child.kill('SIGKILL');
    forget();
  };
  const onInterrupt = () => process.exit(130);
  const onTerminate = () => process.exit(143);
  process.on('exit', end);
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onTerminate);
  return () => {
    process.off('exit', end);
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', onTerminate);
  };
}

/**
 * Reads a file that grows.
 *
 * @param {string} file need not exist yet
 * @param {(text: string) => void} onText
 * @returns {{ finish: () => string }} `finish` reads what is left and returns all of it
 */
function followFile(file, onText) {
  const decoder = new TextDecoder();
  const chunk = Buffer.alloc(65_536);
  let whole = '';
  let at = 0;
  const readOn = () => {
    if (!existsSync(file)) return;
    const handle = openSync(file, 'r');
    for (;;) {
      const length = readSync(handle, chunk, 0, chunk.length, at);
      if (length === 0) break;
      at += length;
      const text = decoder.decode(chunk.subarray(0, length), { stream: true });
      whole += text;
      onText(text);
    }
    closeSync(handle);
  };
  const timer = setInterval(readOn, 200);
  const finish = () => {
    clearInterval(timer);
    readOn();
    return whole;
  };
  return { finish };
}

/**
 * @param {string} file
 * @returns {number} NaN when it is not there
 */
function readNumber(file) {
  return existsSync(file) ? Number.parseFloat(readFileSync(file, 'utf8')) : NaN;
}
