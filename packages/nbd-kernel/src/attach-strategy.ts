import { constants } from 'node:os';

/**
 * How a device is attached, and what to do when the kernel says no: two tables.
 *
 * Netlink is the better way wherever it works: no thread stays in the kernel, so no signal, no
 * SIGSTOP and no debugger can end the device; the set-up is one step; the kernel can choose a free
 * device without a race; and a device can be given to a successor. The ioctl way works everywhere,
 * also in a network namespace of its own, and ends the device together with its process.
 */
export type AttachWay = 'netlink' | 'ioctl';

/** Which way was asked for; 'auto': netlink where it works, else ioctl. */
export type AttachRequest = AttachWay | 'auto';

/** A way and why, or why there is none. */
export type AttachChoice =
  | { readonly way: AttachWay; readonly reason: string }
  | { readonly way: undefined; readonly reason: string };

interface ChoiceRow {
  readonly request: AttachRequest;
  /** Whether the kernel shows the netlink family; undefined: it does not matter. */
  readonly hasNetlink: boolean | undefined;
  readonly way: AttachWay | undefined;
  readonly reason: string;
}

/** The first row that fits decides. */
export const CHOICE_TABLE: readonly ChoiceRow[] = [
  {
    request: 'netlink',
    hasNetlink: true,
    way: 'netlink',
    reason: 'asked for',
  },
  {
    request: 'netlink',
    hasNetlink: false,
    way: undefined,
    reason: 'the kernel does not show the family nbd in this network namespace',
  },
  {
    request: 'ioctl',
    hasNetlink: undefined,
    way: 'ioctl',
    reason: 'asked for',
  },
  {
    request: 'auto',
    hasNetlink: true,
    way: 'netlink',
    reason: 'survives signals and stops, and a successor can take the device over',
  },
  {
    request: 'auto',
    hasNetlink: false,
    way: 'ioctl',
    reason: 'the kernel does not show the family nbd in this network namespace',
  },
];

export function chooseWay(request: AttachRequest, hasNetlink: boolean): AttachChoice {
  const row = CHOICE_TABLE.find(
    (each) =>
      each.request === request && (each.hasNetlink === undefined || each.hasNetlink === hasNetlink),
  );
  if (row === undefined) throw new Error(`no row for ${request}`);
  return { way: row.way, reason: row.reason } as AttachChoice;
}

/** What follows a failed attempt on one device. */
export type FailureStep =
  /** Try the same device again after a moment. */
  | 'retry'
  /** Go to the next device that looks free. */
  | 'next'
  | 'giveUp';

interface FailureRow {
  readonly errno: number;
  /** The device was named by the user. */
  readonly isFixed: boolean;
  /** Its pid file, mounts, swap or holders show a user. */
  readonly isTaken: boolean;
  readonly step: FailureStep;
  readonly reason: string;
}

const { EBUSY } = constants.errno;

/** What is not in here is given up: it would fail in the same way the next time. */
export const FAILURE_TABLE: readonly FailureRow[] = [
  {
    errno: EBUSY,
    isFixed: true,
    isTaken: false,
    step: 'retry',
    reason: 'udev opens the nodes for a moment after the module was loaded or a device detached',
  },
  {
    errno: EBUSY,
    isFixed: true,
    isTaken: true,
    step: 'giveUp',
    reason: 'somebody uses it and will go on doing so',
  },
  {
    errno: EBUSY,
    isFixed: false,
    isTaken: false,
    step: 'next',
    reason: 'somebody was faster; another device will do',
  },
  {
    errno: EBUSY,
    isFixed: false,
    isTaken: true,
    step: 'next',
    reason: 'somebody was faster; another device will do',
  },
];

export function stepAfter(errno: number, isFixed: boolean, isTaken: boolean): FailureStep {
  const row = FAILURE_TABLE.find(
    (each) => each.errno === errno && each.isFixed === isFixed && each.isTaken === isTaken,
  );
  return row?.step ?? 'giveUp';
}

/** Milliseconds to wait before attempt 2, 3, ...: about three seconds in all. */
export const RETRY_DELAYS_MILLIS: readonly number[] = [50, 100, 200, 400, 800, 1500];
