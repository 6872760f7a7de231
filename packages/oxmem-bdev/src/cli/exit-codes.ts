/** What the exit code of `oxmem-bdev` says. Scripts rely on the numbers. */
export const ExitCode = {
  /** Ended as asked. */
  done: 0,
  /** Failed while running, or stopped at once by a second signal. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** Not permitted: the raw socket, the place of the export. */
  notPermitted: 3,
  /** The device, or the place of the export, is missing or busy. */
  deviceUnavailable: 4,
  /** The endpoint cannot be reached: no such interface, interface down, nobody answers. */
  endpointSilent: 5,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
