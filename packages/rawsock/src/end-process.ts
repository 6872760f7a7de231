import { loadBinding } from './load-binding.ts';

/**
 * Ends this process with an exit code, as `process.exit` does, but within about a second.
 *
 * Node waits for its threads when it exits. One that is with a disk that does not answer, a network
 * disk for instance, never comes, and then only SIGKILL would end the process, without the exit code
 * that is due. Standard output and standard error have all that was written to them, because on
 * Linux they are synchronous.
 *
 * Not for worker threads.
 */
export function endProcess(code: number): never {
  try {
    loadBinding().endAfter(code, PATIENCE_MILLIS);
  } catch {
    // Without the addon nothing has run that could hang.
  }
  return process.exit(code);
}

/** For Node to do what it does at an exit, on a busy machine. */
const PATIENCE_MILLIS = 1_000;
