import { packCredit } from '../wire/tloe-header.ts';

/** Frames of an opening that are remembered. */
export const OPENING_PLACES = 8;

/**
 * The first frames of a peer, by their place from its first number on: what tells peers apart, what
 * tells a repetition from a successor, and, as frames of an opening hold nothing but a grant, a
 * place to keep those that came too early.
 */
export class OpeningFrames {
  readonly #credits = new Int32Array(OPENING_PLACES).fill(NOT_HEARD);
  /** The peer has sent an AckOnly. */
  hasAckOnly = false;
  /** The ack bit of its first frame. */
  firstAck = 0;

  /** Remembers a frame; only the first few places count. `isEmpty`: it carries no messages. */
  note(place: number, channel: number, exponent: number, isEmpty: boolean): void {
    if (place < OPENING_PLACES) this.#credits[place] = packed(channel, exponent, isEmpty);
  }

  /** Whether another frame than this one was heard with its number. */
  differs(place: number, channel: number, exponent: number, isEmpty: boolean): boolean {
    const heard = this.#credits[place] ?? NOT_HEARD;
    return heard !== NOT_HEARD && heard !== packed(channel, exponent, isEmpty);
  }

  /** Channel and exponent of an empty frame that was heard, packed as in a header; or -1. */
  emptyAt(place: number): number {
    return this.#credits[place] ?? NOT_HEARD;
  }

  get isEmpty(): boolean {
    return this.#credits.every((credit) => credit === NOT_HEARD);
  }

  /** Whether a frame with messages was heard. */
  get hasMessages(): boolean {
    return this.#credits.includes(NOT_EMPTY);
  }

  /** The last place at which a frame was heard; -1 if none was. */
  get lastPlace(): number {
    return this.#credits.findLastIndex((credit) => credit !== NOT_HEARD);
  }

  /** Whether `accepts` holds for every frame heard. */
  everyFrame(accepts: (place: number, channel: number, exponent: number) => boolean): boolean {
    return this.#credits.every(
      (credit, place) => credit < 0 || accepts(place, credit >> 5, credit & 31),
    );
  }

  /** Forgets what was heard from `place` on. */
  forgetFrom(place: number): void {
    this.#credits.fill(NOT_HEARD, place);
    if (place === 0) this.hasAckOnly = false;
  }
}

const NOT_HEARD = -1;
/** A frame with messages: what it grants does not matter. */
const NOT_EMPTY = -2;

function packed(channel: number, exponent: number, isEmpty: boolean): number {
  return isEmpty ? packCredit(channel, exponent) : NOT_EMPTY;
}
