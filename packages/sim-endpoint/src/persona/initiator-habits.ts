import { Channel, MILLISECOND, SECOND, type DataOrder, type Micros } from '@oxmem/tloe-protocol';
import type { ResendHabits } from './endpoint-habits.ts';

/** How a foreign initiator behaves, defects included. */
export interface InitiatorHabits {
  readonly name: string;
  /** One line for people. */
  readonly description: string;
  readonly opening: InitiatorOpening;
  readonly receive: InitiatorReceive;
  /** Undefined: it keeps no copy of what it sends. */
  readonly resend: ResendHabits | undefined;
  /** Sends only what the endpoint has granted, and owns so much of each channel without a word. */
  readonly credits: { readonly obeys: boolean; readonly implied: number };
  /** Which credits it gives back: for what it has taken, or none. */
  readonly returnsCredits: boolean;
  readonly requests: InitiatorRequests;
  /** What ends its connection: its own Close; the acknowledgement of that; the endpoint's Close. */
  readonly closesWith: 'ownClose' | 'exactAck' | 'peerClose';
}

/** How it opens. */
export interface InitiatorOpening {
  /** Channel and log2 flits of each frame; the first one is the Open. */
  readonly grants: readonly (readonly [number, number])[];
  /** The ack bit of these frames. */
  readonly ack: 0 | 1;
  /** Sends each frame only when the one before has been acknowledged by exactly its number. */
  readonly isStepwise: boolean;
  /** Sends a frame more when it is open, and never again. */
  readonly hasFarewell: boolean;
  /** What it waits for before it sends requests. */
  readonly awaits: 'nothing' | 'exactAcks' | 'anyFrame' | 'allGrants';
}

/** What it does with frames. */
export interface InitiatorReceive {
  /** Takes frames in any order and counts the highest number; or in order only. */
  readonly order: 'any' | 'strict';
  /** Takes the number in an AckOnly for received. */
  readonly countsAckOnly: boolean;
  /** How it acknowledges a frame of its own accord. */
  readonly acks: 'never' | 'emptyFrame' | 'ackOnly';
  readonly ackDelayMicros: Micros;
  /** A frame ahead: it says so at once, or repeats its last acknowledgement. */
  readonly ahead: 'isTaken' | 'isNaked' | 'repeatsAck';
  /** An acknowledgement that recedes, or of what it never sent, ends it. */
  readonly diesOfOddAcks: boolean;
}

/** How it asks for memory. */
export interface InitiatorRequests {
  readonly dataOrder: DataOrder;
  /** Largest access, log2 bytes; sizes go by what is left, or by alignment as well. */
  readonly maxLog2: number;
  readonly isAligned: boolean;
  readonly outstanding: number;
  /** How it knows an answer. */
  readonly matches: 'source' | 'acknowledgement' | 'order';
  /** Sources go round from 0 to one below this; 1: always 0. */
  readonly sources: number;
  /** Repeats an unanswered request, in a new frame with the same source. */
  readonly reissue:
    | { readonly firstMicros: Micros; readonly thenMicros: Micros; readonly times: number }
    | undefined;
}

const { A, B, C, D, E } = Channel;

const nbd: InitiatorHabits = {
  name: 'nbd',
  description: 'the C block driver: no order, no NAK, no resending; repeats whole requests',
  opening: {
    grants: [
      [A, 20],
      [D, 20],
    ],
    ack: 0,
    isStepwise: false,
    hasFarewell: false,
    awaits: 'nothing',
  },
  receive: {
    order: 'any',
    countsAckOnly: true,
    acks: 'emptyFrame',
    ackDelayMicros: 0,
    ahead: 'isTaken',
    diesOfOddAcks: false,
  },
  resend: undefined,
  credits: { obeys: false, implied: 0 },
  returnsCredits: true,
  requests: {
    dataOrder: 'raw',
    maxLog2: 10,
    isAligned: false,
    outstanding: 32,
    matches: 'source',
    sources: 4096,
    reissue: { firstMicros: 100 * MILLISECOND, thenMicros: 500 * MILLISECOND, times: 5 },
  },
  closesWith: 'ownClose',
};

const fuse: InitiatorHabits = {
  ...nbd,
  name: 'fuse',
  description: 'the C file system: knows answers by their acknowledgement, repeats nothing',
  opening: {
    grants: [
      [A, 28],
      [D, 28],
    ],
    ack: 0,
    isStepwise: true,
    hasFarewell: false,
    awaits: 'exactAcks',
  },
  receive: { ...nbd.receive, acks: 'never' },
  returnsCredits: false,
  requests: {
    ...nbd.requests,
    outstanding: 20,
    matches: 'acknowledgement',
    sources: 1,
    reissue: undefined,
  },
  closesWith: 'exactAck',
};

const wdrs: InitiatorHabits = {
  name: 'wdrs',
  description: 'the requester in Rust: in order, with NAKs; breaks on odd acknowledgements',
  opening: {
    grants: [
      [A, 28],
      [B, 28],
      [C, 28],
      [D, 28],
      [E, 28],
    ],
    ack: 0,
    isStepwise: false,
    hasFarewell: false,
    awaits: 'anyFrame',
  },
  receive: {
    order: 'strict',
    countsAckOnly: true,
    acks: 'emptyFrame',
    ackDelayMicros: MILLISECOND,
    ahead: 'isNaked',
    diesOfOddAcks: true,
  },
  resend: {
    windowFrames: 4096,
    timeoutMicros: 100 * MILLISECOND,
    startsWith: 'transmission',
    isVerbatim: true,
  },
  credits: { obeys: true, implied: 128 },
  returnsCredits: true,
  requests: {
    dataOrder: 'raw',
    maxLog2: 10,
    isAligned: true,
    outstanding: 16,
    matches: 'source',
    sources: 255,
    reissue: undefined,
  },
  closesWith: 'peerClose',
};

const etriMaster: InitiatorHabits = {
  name: 'etri-master',
  description: 'the C master: 8 bytes at a time, a window of four, answers by their order',
  opening: {
    grants: [
      [A, 10],
      [B, 10],
      [C, 10],
      [D, 10],
      [E, 10],
    ],
    ack: 1,
    isStepwise: false,
    hasFarewell: true,
    awaits: 'allGrants',
  },
  receive: {
    order: 'strict',
    countsAckOnly: false,
    acks: 'ackOnly',
    ackDelayMicros: 0,
    ahead: 'repeatsAck',
    diesOfOddAcks: false,
  },
  resend: {
    windowFrames: 4,
    timeoutMicros: 100 * MILLISECOND,
    startsWith: 'transmission',
    isVerbatim: false,
  },
  credits: { obeys: true, implied: 0 },
  returnsCredits: true,
  requests: {
    dataOrder: 'spec',
    maxLog2: 3,
    isAligned: true,
    outstanding: 1,
    matches: 'order',
    sources: 1,
    reissue: undefined,
  },
  closesWith: 'peerClose',
};

/** The initiators that can be played, by name. */
export const INITIATOR_PERSONAS: Readonly<Record<InitiatorPersonaName, InitiatorHabits>> = {
  nbd,
  fuse,
  wdrs,
  'etri-master': etriMaster,
};

/** The known initiators that can be played. */
export type InitiatorPersonaName = 'nbd' | 'fuse' | 'wdrs' | 'etri-master';

/** How long an etri master waits for grants before it sends its opening again. */
export const OPENING_REPEAT_MICROS: Micros = 5 * SECOND;
