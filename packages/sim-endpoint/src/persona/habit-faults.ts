import { Channel, MILLISECOND } from '@oxmem/tloe-protocol';
import type { EndpointHabits } from './endpoint-habits.ts';

const { A, C, E } = Channel;

/** Habits of known endpoints, one at a time: what each makes of an endpoint's other habits. */
export const HABIT_FAULTS: Readonly<Record<HabitFault, HabitFaultEntry>> = {
  'no-nak': {
    means: 'never reports a gap',
    on: (h) => ({ ...h, receive: { ...h.receive, ahead: 'isDropped' } }),
  },
  'no-dup-ack': {
    means: 'drops a repeated frame without acknowledging it',
    on: (h) => ({ ...h, receive: { ...h.receive, duplicate: 'isDropped' } }),
  },
  'ack-of-acks': {
    means: 'acknowledges an empty frame by a numbered empty frame',
    on: (h) => ({ ...h, acks: { ...h.acks, emptyFrame: 'emptyFrame' } }),
  },
  leak: {
    means: 'returns 1 flit too few for a Get and 2 too few for a Put',
    on: (h) => ({ ...h, credits: { ...h.credits, returns: 'leaky' } }),
  },
  'never-resends': {
    means: 'keeps no copy of what it sent',
    on: (h) => ({ ...h, resend: undefined }),
  },
  'stale-resends': {
    means: 'resends frames bit by bit, with the acknowledgement, or the NAK, of then',
    on: (h) => ({
      ...h,
      receive: { ...h.receive, ahead: 'naksWithNextFrame' },
      ...(h.resend && { resend: { ...h.resend, isVerbatim: true } }),
    }),
  },
  'twice-after-idle': {
    means: 'sends the first frame after an idle time twice',
    on: (h) => ({
      ...h,
      ...(h.resend && { resend: { ...h.resend, startsWith: 'acknowledgement' } }),
    }),
  },
  'ack-size-0': {
    means: 'sends AccessAck with size 0',
    on: (h) => ({ ...h, service: { ...h.service, ackSize: 'zero' } }),
  },
  'dirty-ack-only': {
    means: 'leaves garbage in the unused bits of AckOnly frames',
    on: (h) => ({ ...h, acks: { ...h.acks, hasDirtyAckOnly: true } }),
  },
  'backward-acks': {
    means: "acknowledges a repeated frame by that frame's own number",
    on: (h) => ({ ...h, receive: { ...h.receive, duplicate: 'isAckedByItsNumber' } }),
  },
  'grants-1': {
    means: 'answers an Open with one grant',
    on: (h) => ({ ...h, opening: { ...h.opening, grants: [A] } }),
  },
  'grants-3': {
    means: 'answers an Open with three grants',
    on: (h) => ({ ...h, opening: { ...h.opening, grants: [A, C, E] } }),
  },
  'ignores-reopen': {
    means: 'takes an Open on a connection for a duplicate',
    on: (h) => ({ ...h, admission: { ...h.admission, repeatedOpen: 'isDuplicate' } }),
  },
  'silent-opcodes': {
    means: 'answers nothing but Get and PutFullData',
    on: (h) => ({ ...h, service: { ...h.service, opcodes: [0, 4], otherOpcodes: 'areSwallowed' } }),
  },
  wrap: {
    means: 'wraps addresses around its memory',
    on: (h) => ({ ...h, service: { ...h.service, range: 'wrap', pastTheEnd: 'wraps' } }),
  },
  'late-credits': {
    means: 'returns credits 20 ms late and in frames of their own',
    on: (h) => ({ ...h, credits: { ...h.credits, delayMicros: 20 * MILLISECOND } }),
  },
  'phantom-acks': {
    means: 'acknowledges the number in an AckOnly before it is used',
    on: (h) => ({ ...h, receive: { ...h.receive, countsAckOnly: true } }),
  },
  'lost-opening': {
    means: 'loses its third opening frame for good',
    on: (h) => ({ ...h, opening: { ...h.opening, isResent: false, loses: [2] } }),
  },
};

/** One habit. */
export interface HabitFaultEntry {
  /** One line for people. */
  readonly means: string;
  on(habits: EndpointHabits): EndpointHabits;
}

/** Habits of real endpoints that can be had one by one; `HABIT_FAULTS` says what each means. */
export type HabitFault =
  | 'no-nak'
  | 'no-dup-ack'
  | 'ack-of-acks'
  | 'leak'
  | 'never-resends'
  | 'stale-resends'
  | 'twice-after-idle'
  | 'ack-size-0'
  | 'dirty-ack-only'
  | 'backward-acks'
  | 'grants-1'
  | 'grants-3'
  | 'ignores-reopen'
  | 'silent-opcodes'
  | 'wrap'
  | 'late-credits'
  | 'phantom-acks'
  | 'lost-opening';

export const HABIT_FAULT_NAMES: readonly HabitFault[] = Object.keys(HABIT_FAULTS) as HabitFault[];

export function isHabitFault(name: string): name is HabitFault {
  return Object.hasOwn(HABIT_FAULTS, name);
}

/** An endpoint with some habits more. */
export function withHabits(habits: EndpointHabits, more: readonly HabitFault[]): EndpointHabits {
  return more.reduce((sum, name) => HABIT_FAULTS[name].on(sum), habits);
}
