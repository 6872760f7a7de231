/** How the command ends. The numbers are those of oxmem-bdev. */
export const ExitCode = {
  done: 0,
  /** Something failed while it ran. */
  failed: 1,
  /** The command line cannot be understood. */
  usage: 2,
  /** This user may not open raw sockets. */
  notPermitted: 3,
  /** The network interface is missing or down. */
  noInterface: 5,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
