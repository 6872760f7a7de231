import { constants } from 'node:os';

/** Where a device is in its life. */
export type DeviceState =
  /** The kernel is being asked. */
  | 'attaching'
  /** Requests are served. */
  | 'serving'
  /** No more requests come, or soon; the kernel is letting go. */
  | 'draining'
  /** Over, but somebody else has it open, and until that ends the kernel keeps it configured. */
  | 'held'
  /** The kernel has forgotten it; it can be attached again. */
  | 'detached';

/** What changes the state of a device. */
export type DeviceEvent =
  /** The kernel uses the streams, and the partition table has been read. */
  | 'attached'
  /** The owner wants the end. */
  | 'detachAsked'
  /** The kernel stopped using the streams. */
  | 'ended'
  /** The pid file is gone. */
  | 'released'
  /** The pid file is still there when it should be gone. */
  | 'releaseOverdue';

/** What is not in here cannot happen. */
export const DEVICE_TRANSITIONS: Readonly<
  Record<DeviceState, Readonly<Partial<Record<DeviceEvent, DeviceState>>>>
> = {
  attaching: { attached: 'serving', detachAsked: 'draining', ended: 'draining' },
  serving: { detachAsked: 'draining', ended: 'draining' },
  draining: {
    detachAsked: 'draining',
    ended: 'draining',
    released: 'detached',
    releaseOverdue: 'held',
  },
  held: { detachAsked: 'draining', ended: 'held' },
  detached: { detachAsked: 'detached', ended: 'detached' },
};

/** Why a device stopped serving. */
export type EndReason =
  /** Its owner asked for it. */
  | 'detached'
  /** Another program told the kernel to disconnect it. */
  | 'disconnectedElsewhere'
  /** Its owner closed a stream without asking for the end. */
  | 'serverClosed'
  /** A signal reached the thread in the kernel. */
  | 'interrupted'
  /** The process was stopped and continued, or a debugger looked at it. */
  | 'stopped'
  /** The kernel refused to start the device. */
  | 'refused'
  /** The kernel dropped the connection: a request too old, or an answer that it did not accept. */
  | 'connectionLost';

/** The end of a device, as its own record has it. */
export interface DeviceEnd {
  readonly reason: EndReason;
  /** One sentence for the log. */
  readonly text: string;
  /** What NBD_DO_IT returned, if it failed. */
  readonly errno: number | undefined;
}

/** What was noted by the time a device ended. */
export interface EndNotes {
  readonly wasDetachAsked: boolean;
  readonly wasDisconnectSeen: boolean;
  readonly wasStreamClosed: boolean;
  /** errno of NBD_DO_IT; 0 with netlink. */
  readonly errno: number;
}

interface EndRow {
  readonly fits: (notes: EndNotes) => boolean;
  readonly reason: EndReason;
  readonly text: string;
}

/**
 * Why it ended: the first row that fits. The kernel's own word is of little use, NBD_DO_IT returns
 * 0 for a clean end, a dead server, a timeout and a wrong answer alike.
 */
const END_TABLE: readonly EndRow[] = [
  {
    fits: (notes) => notes.wasDetachAsked,
    reason: 'detached',
    text: 'the device was detached',
  },
  {
    fits: (notes) => notes.errno === constants.errno.EINTR,
    reason: 'interrupted',
    text: 'a signal ended the device; attach by netlink to be safe from that',
  },
  {
    fits: (notes) => notes.errno === constants.errno.EBUSY,
    reason: 'stopped',
    text:
      'the device ended because the process was stopped and continued, or traced; attach by ' +
      'netlink to be safe from that',
  },
  {
    fits: (notes) => notes.errno !== 0,
    reason: 'refused',
    text: 'the kernel refused to run the device',
  },
  {
    fits: (notes) => notes.wasDisconnectSeen,
    reason: 'disconnectedElsewhere',
    text: 'another program disconnected the device',
  },
  {
    fits: (notes) => notes.wasStreamClosed,
    reason: 'serverClosed',
    text: 'the server closed its stream',
  },
];

export function endOf(notes: EndNotes): DeviceEnd {
  const row = END_TABLE.find(({ fits }) => fits(notes)) ?? LOST;
  return { reason: row.reason, text: row.text, errno: notes.errno === 0 ? undefined : notes.errno };
}

const LOST = {
  reason: 'connectionLost',
  text:
    'the kernel dropped the connection: a request had waited too long, an answer was not ' +
    'accepted, or another program cleared the device',
} as const;
