import type { Micros } from '@oxmem/tloe-protocol';

import type { DriverError } from '../errors.ts';

/** Where the devices of a driver are used: as block devices of the kernel, or over a socket. */
export interface FrontEnd {
  /** Settled when it has ended by itself: with why, or undefined when somebody wanted it so. */
  readonly ended: Promise<DriverError | undefined>;
  /**
   * Offers the devices.
   *
   * @returns where, one place for each line that says so
   * @throws DriverError
   */
  start(): Promise<readonly ReadyPlace[]>;
  /** Whether a successor could take over what this process has. */
  readonly canHandOver: boolean;
  /** Lets requests in flight finish, and leaves the devices to a successor. */
  handOver(): Promise<void>;
  /** Who would lose data if it stopped now, in words without a full stop; undefined: nobody. */
  describeUsers(): Promise<string | undefined>;
  /**
   * Takes no more requests and lets those in flight finish, but not much longer than `graceMicros`;
   * 0: at once.
   */
  stop(graceMicros: Micros): Promise<void>;
}

/** A place that is ready for use, and the part of the memory behind it. */
export interface ReadyPlace {
  /** `/dev/nbd0`, `unix:PATH`. */
  readonly name: string;
  readonly sizeBytes: number;
  /** First remote address, counted in bytes from the base of the driver. */
  readonly firstByte: number;
}
