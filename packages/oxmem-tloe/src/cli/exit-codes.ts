/** How the command ends. */
export const ExitCode = {
  done: 0,
  /** The capture is broken, or a dialogue of the check failed. */
  failed: 1,
  usage: 2,
  /** This user may not open raw sockets. */
  notPermitted: 3,
  /** The network interface is missing or down, or nobody answers at its far end. */
  noAnswer: 5,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
