import { readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, join } from 'node:path';

import { thisProcess, type NativeError, type NativeProcess } from '@oxmem/nbd-kernel';

import { DriverError, systemCode } from '../errors.ts';
import { deviceFailure } from '../kernel/device-failure.ts';

/** The process that is to serve swap space, as far as it must be changed for that. */
export interface GuardedProcess {
  readonly native: NativeProcess;
  /** Changed in place. */
  readonly environment: NodeJS.ProcessEnv;
  readonly execPath: string;
  /** All of the command line, the name of the program first. */
  readonly argv: readonly string[];
  /** /proc/self/oom_score_adj. */
  readonly oomScore: {
    readonly read: () => string;
    readonly write: (text: string) => void;
  };
}

/** What cannot be done, for the log. */
export const SWAP_WARNING: string =
  '--swap does what user space can do; but when the kernel is down to its emergency reserves of ' +
  'memory it drops raw frames. They are sent again (go-back-N), so expect pauses, and never ' +
  "more swap space here than the machine's work can spare";

/**
 * Prepares this process for serving a device that the kernel swaps to, on the main thread, before
 * anything is opened. The first call does not come back: it starts the program anew, with the same
 * process id, command line and standard streams, and the new one calls again.
 *
 * - Every thread is an IO flusher: its allocations never wait for I/O, which may be our own. Only
 *   what is started after the mark was set has it, so the program is started after it.
 * - Every thread has real-time priority, the lowest there is: such a thread may have part of the
 *   memory that the kernel keeps back from all others. Without it, an IO flusher that needs memory
 *   when there is none left asks for it for ever.
 * - All memory is locked: a page of ours in our own swap space could never be read in again.
 * - The kernel ends any other process first when memory runs out.
 *
 * @throws DriverError ERR_OXMEM_SWAP what is missing. Half of this would be worse than nothing: it
 *         would be found out when the machine stands still
 */
export function guardForSwap(given: GuardedProcess = theProcess()): void {
  if (given.environment[MARK] === undefined) {
    restart(given);
    return;
  }
  removeMark(given.environment);
  checkRestart(given.native);
  protectFromOomKiller(given.oomScore);
  lock(given.native);
}

/**
 * The other memory that the data goes past: what the driver writes down for a successor, in files
 * that are in memory and could be swapped to the device that they are about. To be called when the
 * devices are attached.
 *
 * @param folder   where those files are
 * @param devices  /dev/nbd0; one without such a file, or of another kind, needs nothing
 * @throws DriverError ERR_OXMEM_SWAP
 */
export function pinWitnesses(
  folder: string,
  devices: readonly string[],
  native: Pick<NativeProcess, 'pinFile'> = theProcess().native,
): void {
  for (const device of devices) {
    const file = join(folder, `${basename(device)}.witness`);
    try {
      native.pinFile(file);
    } catch (thrown) {
      if (isErrno(thrown, 'ENOENT')) continue;
      throw refusal(`${file} cannot be locked in memory (${told(thrown)})`, thrown);
    }
  }
}

function restart({ native, environment, execPath, argv }: GuardedProcess): void {
  try {
    native.setIoFlusher();
  } catch (thrown) {
    throw isErrno(thrown, 'EINVAL')
      ? refusal('this kernel does not know IO flushers; it takes Linux 5.6 or newer', thrown)
      : refusal(
          `this process may not become an IO flusher (${told(thrown)}); ${CAPABILITY}`,
          thrown,
        );
  }
  try {
    native.setRealTime();
  } catch (thrown) {
    throw refusal(
      `this process may not have real-time priority (${told(thrown)}); run it with sudo, or give ` +
        'it the capability CAP_SYS_NICE',
      thrown,
    );
  }
  const former = environment['LD_PRELOAD'] ?? '';
  const changed = {
    ...environment,
    [MARK]: former,
    LD_PRELOAD: [native.libraryFile(), former].filter((file) => file !== '').join(':'),
  };
  const lines = Object.entries(changed).map(([name, value = '']) => `${name}=${value}`);
  try {
    native.replaceProgram(execPath, argv, lines);
  } catch (thrown) {
    throw refusal(`${execPath} could not be started again (${told(thrown)})`, thrown);
  }
}

/** What was put into the environment for one start goes no further. */
function removeMark(environment: NodeJS.ProcessEnv): void {
  const former = environment[MARK] ?? '';
  delete environment[MARK];
  if (former === '') delete environment['LD_PRELOAD'];
  else environment['LD_PRELOAD'] = former;
}

function checkRestart(native: NativeProcess): void {
  let isMarked: boolean;
  try {
    isMarked = native.isIoFlusher();
  } catch (thrown) {
    throw refusal(
      `what became of the IO flusher is not known (${told(thrown)}); ${CAPABILITY}`,
      thrown,
    );
  }
  if (!isMarked) throw refusal('the kernel forgot that this process is an IO flusher');
  if (native.isPreloaded()) return;
  throw refusal(
    'the memory cannot be locked, because the dynamic linker did not preload ' +
      `"${native.libraryFile()}"; that path may have no space or colon in it, and ` +
      `"${process.execPath}" no file capabilities (getcap)`,
  );
}

function protectFromOomKiller({ read, write }: GuardedProcess['oomScore']): void {
  try {
    if (read().trim() === LEAST_OOM_SCORE) return;
    write(LEAST_OOM_SCORE);
  } catch (thrown) {
    throw refusal(
      `the kernel could end this process when memory runs out: its oom_score_adj cannot be set ` +
        `to ${LEAST_OOM_SCORE} (${systemCode(thrown) ?? String(thrown)}); ${CAPABILITY}, or set ` +
        `OOMScoreAdjust=${LEAST_OOM_SCORE} in the unit`,
      thrown,
    );
  }
}

function lock(native: NativeProcess): void {
  try {
    native.lockMemory();
  } catch (thrown) {
    throw refusal(
      `the memory of this process cannot be locked (${told(thrown)}); give it the capability ` +
        'CAP_IPC_LOCK, or LimitMEMLOCK=infinity in the unit',
      thrown,
    );
  }
}

function refusal(why: string, cause?: unknown): DriverError {
  return new DriverError('ERR_OXMEM_SWAP', `--swap: ${why}.`, cause);
}

function isErrno(thrown: unknown, name: keyof typeof constants.errno): boolean {
  return (thrown as Partial<NativeError>).errno === constants.errno[name];
}

/** "mlockall: Cannot allocate memory". */
function told(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function theProcess(): GuardedProcess {
  let native: NativeProcess;
  try {
    native = thisProcess();
  } catch (thrown) {
    throw deviceFailure(thrown);
  }
  return {
    native,
    environment: process.env,
    execPath: process.execPath,
    argv: [process.argv0, ...process.execArgv, ...process.argv.slice(1)],
    oomScore: {
      read: () => readFileSync(OOM_FILE, 'utf8'),
      write: (text) => writeFileSync(OOM_FILE, text),
    },
  };
}

/** In the environment of the second start, with what LD_PRELOAD was before. */
const MARK = 'OXMEM_BDEV_SWAP_GUARD';
const OOM_FILE = '/proc/self/oom_score_adj';
const LEAST_OOM_SCORE = '-1000';
const CAPABILITY = 'run it with sudo, or give it the capability CAP_SYS_RESOURCE';
