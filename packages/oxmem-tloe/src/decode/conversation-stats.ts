import {
  FrameType,
  OpcodeA,
  Channel,
  messageFormat,
  type MessageFields,
} from '@oxmem/tloe-protocol';
import type { DecodedFrame } from './decoded-frame.ts';
import { LatencyHistogram } from './latency-histogram.ts';
import type { BookEntry } from './request-book.ts';
import type { Violation } from './violation.ts';

/** What one end of a connection has sent. */
export interface EndCounts {
  frames: number;
  /** MAC headers included. */
  bytes: number;
  ackOnly: number;
  /** Frames whose number was seen before: resent, and among them those acknowledged before. */
  repeated: number;
  duplicates: number;
  gaps: number;
  missing: number;
  naks: number;
  messages: number;
  /** Bytes of data in messages, each counted once. */
  dataBytes: number;
}

/** Kinds of requests whose latency is told apart. */
export const REQUEST_KINDS = ['read', 'write', 'other'] as const;
export type RequestKind = (typeof REQUEST_KINDS)[number];

/** What a connection's frames add up to. */
export class ConversationStats {
  /** Of the initiator, and of the endpoint. */
  readonly forward: EndCounts = noCounts();
  readonly backward: EndCounts = noCounts();
  readonly latency: Readonly<Record<RequestKind, LatencyHistogram>> = {
    read: new LatencyHistogram(),
    write: new LatencyHistogram(),
    other: new LatencyHistogram(),
  };
  denied = 0;
  corrupt = 0;
  reopened = 0;
  readonly violations: Map<Violation, number> = new Map();

  /** Counts a frame. */
  count(frame: DecodedFrame): void {
    const counts = frame.isForward ? this.forward : this.backward;
    counts.frames++;
    counts.bytes += frame.lengthBytes;
    if (frame.header?.type === FrameType.ackOnly) counts.ackOnly++;
    const { marks } = frame;
    const isDuplicate = marks.includes('duplicate');
    if (isDuplicate) counts.duplicates++;
    const isRepeated = isDuplicate || marks.includes('resent');
    if (isRepeated) counts.repeated++;
    if (marks.includes('gap')) counts.gaps++;
    if (marks.includes('late')) counts.missing--;
    if (marks.includes('nak')) counts.naks++;
    if (marks.includes('reopened')) this.reopened++;
    counts.missing += frame.missing;
    if (!isRepeated) {
      counts.messages += frame.messages.length;
      for (const { fields } of frame.messages) {
        const hasData = messageFormat(fields.channel, fields.opcode)?.hasData === true;
        if (hasData) counts.dataBytes += 2 ** fields.sizeLog2;
      }
    }
    for (const code of frame.violations) {
      this.violations.set(code, (this.violations.get(code) ?? 0) + 1);
    }
  }

  /** Counts a message that was seen for the first time. */
  countMessage(fields: MessageFields, { answers, request }: BookEntry): void {
    if (fields.denied) this.denied++;
    if (fields.corrupt) this.corrupt++;
    if (answers === undefined || request === undefined) return;
    this.latency[kindOf(request)].add(answers.latencyNanos);
  }
}

function kindOf({ channel, opcode }: MessageFields): RequestKind {
  if (channel !== Channel.A) return 'other';
  if (opcode === OpcodeA.get) return 'read';
  return opcode <= OpcodeA.putPartialData ? 'write' : 'other';
}

function noCounts(): EndCounts {
  return {
    frames: 0,
    bytes: 0,
    ackOnly: 0,
    repeated: 0,
    duplicates: 0,
    gaps: 0,
    missing: 0,
    naks: 0,
    messages: 0,
    dataBytes: 0,
  };
}
