import type { FileReader, NbdMachine } from '@oxmem/nbd-kernel';

/** What every command needs of its surroundings; a test gives others. */
export interface CommandPorts {
  readonly files: FileReader;
  /** Where drivers leave the records of their devices. */
  readonly recordFolder: string;
  /** Takes lines for standard output. */
  readonly print: (text: string) => void;
  /** Takes a sentence for standard error. */
  readonly complain: (sentence: string) => void;
}

/** A command that ends devices. */
export interface DetachPorts extends CommandPorts {
  readonly machine: NbdMachine;
  /** Sends a process a signal. @throws Error with a `code`: EPERM, ESRCH */
  readonly signal: (pid: number, signal: 'SIGTERM' | 'SIGKILL') => void;
}
