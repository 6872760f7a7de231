import { Channel, OpcodeD, type MessageFields } from '@oxmem/tloe-protocol';
import type { Answered } from './decoded-frame.ts';
import { answersTo, isRequest } from './message-rules.ts';
import type { Violation } from './violation.ts';

const { A, C, D, E } = Channel;

/** Where and when a message stood. */
export interface MessagePlace {
  /** Number of the frame in the capture. */
  readonly frame: number;
  readonly elapsedNanos: number;
}

/** What becomes of a message. */
export interface BookEntry {
  readonly answers: Answered | undefined;
  /** The request that is answered. */
  readonly request: MessageFields | undefined;
  readonly violations: readonly Violation[];
}

interface Waiting {
  readonly fields: MessageFields;
  readonly place: MessagePlace;
  /** Another request under the same name, behind this one. */
  next: Waiting | undefined;
}

/** Requests under the same name, in the order in which they came. */
interface WaitingQueue {
  first: Waiting;
  last: Waiting;
}

/** Requests that may wait at once; the oldest are forgotten when there are more. */
const MAX_WAITING = 2048;
const NOTHING: BookEntry = { answers: undefined, request: undefined, violations: [] };

/**
 * The open requests of a connection, both ways, and which answer belongs to which. By source on A and
 * C, which have names of their own; by address on B; by sink between Grant and GrantAck.
 * TileLink 1.8.0 §5.4.
 */
export class RequestBook {
  /** Requests that were forgotten: an answer to nothing may be theirs. */
  hasForgotten = false;
  readonly #waiting = new Map<string, WaitingQueue>();
  #count = 0;

  /** Requests without an answer. */
  get openRequests(): number {
    return this.#count;
  }

  /** Enters a message that was sent for the first time. */
  enter(fields: MessageFields, place: MessagePlace): BookEntry {
    if (isRequest(fields))
      return this.#ask(`${fields.channel}:${nameOfRequest(fields)}`, fields, place);
    const key = answerKey(fields);
    const found = this.#take(key);
    const isGrant = fields.channel === D && (fields.opcode & 6) === OpcodeD.grant;
    const more = isGrant ? this.#ask(`E:${fields.sink}`, fields, place) : NOTHING;
    if (found === undefined)
      return { ...NOTHING, violations: ['unasked-answer', ...more.violations] };
    const latencyNanos = Math.max(0, place.elapsedNanos - found.place.elapsedNanos);
    return {
      answers: { frame: found.place.frame, latencyNanos },
      request: found.fields,
      violations: [...answerViolations(found.fields, fields), ...more.violations],
    };
  }

  /** Forgets everything. */
  clear(): void {
    this.#waiting.clear();
    this.#count = 0;
    this.hasForgotten = false;
  }

  #ask(key: string, fields: MessageFields, place: MessagePlace): BookEntry {
    if (this.#count === MAX_WAITING) this.#forgetOldest();
    this.#count++;
    const added: Waiting = { fields, place, next: undefined };
    const queue = this.#waiting.get(key);
    if (queue === undefined) {
      this.#waiting.set(key, { first: added, last: added });
      return NOTHING;
    }
    queue.last.next = added;
    queue.last = added;
    return { ...NOTHING, violations: [fields.channel === D ? 'sink-in-use' : 'source-in-use'] };
  }

  #take(key: string): Waiting | undefined {
    const queue = this.#waiting.get(key);
    if (queue === undefined) return undefined;
    const { first } = queue;
    if (first.next === undefined) this.#waiting.delete(key);
    else queue.first = first.next;
    this.#count--;
    return first;
  }

  #forgetOldest(): void {
    this.hasForgotten = true;
    const [oldest] = this.#waiting.keys();
    if (oldest !== undefined) this.#take(oldest);
  }
}

function nameOfRequest({ channel, source, addressHigh, addressLow }: MessageFields): string {
  return channel === A || channel === C ? `${source}` : `${addressHigh}:${addressLow}`;
}

function answerKey(fields: MessageFields): string {
  const { channel, opcode, source, addressHigh, addressLow } = fields;
  if (channel === E) return `E:${fields.sink}`;
  if (channel === C) return `${Channel.B}:${addressHigh}:${addressLow}`;
  return opcode === OpcodeD.releaseAck ? `${C}:${source}` : `${A}:${source}`;
}

function answerViolations(request: MessageFields, answer: MessageFields): Violation[] {
  if (answer.channel === E) return [];
  const found: Violation[] = [];
  if (!answersTo(request.channel, request.opcode).includes(answer.opcode))
    found.push('wrong-answer');
  if (request.sizeLog2 !== answer.sizeLog2) found.push('wrong-size');
  return found;
}
