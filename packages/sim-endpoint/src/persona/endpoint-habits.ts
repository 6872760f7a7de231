import type { DataOrder, Micros } from '@oxmem/tloe-protocol';

/**
 * How a foreign endpoint behaves, defects included. Every habit is a field; the machinery in this
 * folder obeys the fields and never asks who it plays.
 *
 * "Ends" stands for whatever makes the real program go: an exit, or memory that it has overrun.
 * "Blocks" stands for hardware that takes nothing any more until it is reset.
 */
export interface EndpointHabits {
  readonly name: string;
  /** One line for people. */
  readonly description: string;
  readonly admission: AdmissionHabits;
  readonly opening: OpeningHabits;
  readonly receive: ReceiveHabits;
  readonly acks: AckHabits;
  /** Undefined: it keeps no copy of what it sends. */
  readonly resend: ResendHabits | undefined;
  readonly credits: CreditHabits;
  readonly service: ServiceHabits;
  /** `answers` with a Close and forgets the connection; or takes it for a frame without messages. */
  readonly close: 'answers' | 'isEmptyFrame';
}

/** Whom it lets in. */
export interface AdmissionHabits {
  /** Drops frames to other addresses than its own; otherwise takes them, and answers from there. */
  readonly checksDestination: boolean;
  readonly connections: number;
  /** What an initiator too many does to it. */
  readonly whenFull: 'ends' | 'drops';
  /** What opens a connection: an Open, or any frame of a newcomer. */
  readonly opensBy: 'open' | 'anyFrame';
  /** What a first Open does whose number is not 0. */
  readonly strayOpen: 'ends' | 'drops';
  /** What an Open does to a connection that is there. */
  readonly repeatedOpen: 'restarts' | 'isDuplicate';
}

/** How it answers an Open. */
export interface OpeningHabits {
  /** Channels granted, a frame for each. */
  readonly grants: readonly number[];
  readonly grantExponent: number;
  /**
   * Serves nothing until every channel has credits; counts frames in that time without looking at
   * their order, and repeats its own every so often. Undefined: it serves at once.
   */
  readonly awaitsGrantsMicros: Micros | undefined;
  /** Resends its opening frames like any other. */
  readonly isResent: boolean;
  /** Opening frames that never leave, by their place. */
  readonly loses: readonly number[];
}

/** What it does with frames. */
export interface ReceiveHabits {
  /** Longest frame that it can take, MAC header included, and what a longer one does. */
  readonly longestFrameBytes: number;
  readonly whenLonger: 'cuts' | 'ends';
  readonly findsMessagesBy: 'mask' | 'structure';
  /** A frame that it has had before. */
  readonly duplicate: 'isExecuted' | 'isAckedByItsNumber' | 'isAcked' | 'isDropped';
  /** A frame ahead of the one that it expects. */
  readonly ahead: 'isExecuted' | 'isNaked' | 'repeatsAck' | 'naksWithNextFrame' | 'isDropped';
  /** Of which frames it uses acknowledgements. */
  readonly takesAcksOf: 'nothing' | 'everyFrame' | 'framesInOrder';
  /** An acknowledgement of what it never sent, or an old one. */
  readonly oddAck: 'isIgnored' | 'losesItsCopies';
  /** Counts the number in an AckOnly as received. */
  readonly countsAckOnly: boolean;
}

/** How it acknowledges. */
export interface AckHabits {
  /** An answer acknowledges the frame of its request, whatever came since; or all so far. */
  readonly numberOf: 'request' | 'lastInOrder';
  /** A frame without messages is acknowledged by: */
  readonly emptyFrame: 'emptyFrame' | 'ackOnly';
  /** A frame waits so long for company of its acknowledgement. */
  readonly delayMicros: Micros;
  /** Its AckOnly frames carry left-over memory in virtual channel, reserved bits and padding. */
  readonly hasDirtyAckOnly: boolean;
}

/** How it repeats what got lost. */
export interface ResendHabits {
  readonly windowFrames: number;
  readonly timeoutMicros: Micros;
  /** The timer runs from a transmission on, or from an acknowledgement on. */
  readonly startsWith: 'transmission' | 'acknowledgement';
  /** Frames are repeated bit by bit; otherwise with the present acknowledgement. */
  readonly isVerbatim: boolean;
}

/** How it counts credits. */
export interface CreditHabits {
  /** Sends only what the initiator has granted. */
  readonly obeys: boolean;
  /** Credits of each channel that both ends have without a word. */
  readonly implied: number;
  /** Gives back what a message cost; or the data alone, one flit for a Get. */
  readonly returns: 'exact' | 'leaky';
  /** Credits wait so long before they go back. */
  readonly delayMicros: Micros;
  /** While an answer waits for credits, none go back. */
  readonly withheldWhileBlocked: boolean;
  /** A message beyond what it has granted blocks it. */
  readonly overrunBlocks: boolean;
}

/** How it serves TileLink. */
export interface ServiceHabits {
  readonly dataOrder: DataOrder;
  /** Where data of less than a word stands: first bytes, last bytes, or by address. */
  readonly shortData: 'left' | 'low' | 'lane';
  /** Accesses of less than a word read, and overwrite, the whole word. */
  readonly widensShortAccesses: boolean;
  /** What is left of the word of a short answer. */
  readonly shortPadding: number;
  /** Opcodes of channel A that it knows. */
  readonly opcodes: readonly number[];
  /** Others: swallowed, swallowed with all that follows in the frame, or denied. */
  readonly otherOpcodes: 'areSwallowed' | 'endTheFrame' | 'areDenied';
  readonly maxGetLog2: number;
  readonly maxPutLog2: number;
  readonly whenLarger: 'ends' | 'blocks' | 'isDenied';
  readonly alignment: 'allow' | 'deny';
  /** Addresses outside of the memory. */
  readonly range: 'wrap' | 'deny';
  /** An access across the end of the memory. */
  readonly pastTheEnd: 'ends' | 'wraps' | 'isDenied';
  readonly ackSize: 'ofRequest' | 'zero';
  /** Fields of the request that come back beside source and size. */
  readonly echoes: 'everything' | 'domain' | 'nothing';
  /** Data from 64 bytes on loses its last word to the frame mask. */
  readonly losesLastWord: boolean;
  /** Most messages in one frame of its own. */
  readonly messagesPerFrame: number;
  /** Reads and writes wait for up to so long, each kind in its own order. */
  readonly unorderedMicros: Micros;
}
