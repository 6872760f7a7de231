import { DEFAULT_ETHER_TYPE, FrameType, isMacAt } from '@oxmem/tloe-protocol';
import { LINK_TYPE_ETHERNET, type CaptureRecord } from '../capture/capture-record.ts';
import { Conversation, type FramePlace } from './conversation.ts';
import type { DecodedFrame } from './decoded-frame.ts';
import { FrameReader } from './frame-reading.ts';
import { MacNames } from './mac-names.ts';

/** What a decoder can be told. */
export interface DecoderOptions {
  /** Default 0xAAAA. */
  readonly etherType?: number;
  /** Only frames from or to this station; 6 bytes. */
  readonly mac?: Uint8Array;
  /** Connections that are kept apart at once; the one silent for longest is given up. Default 256. */
  readonly maxConnections?: number;
}

/** Frames that were looked at, and why the others were not. */
export interface DecoderCounts {
  /** All frames of the capture. */
  frames: number;
  /** Those of TLoE. */
  tloe: number;
  /** Of another EtherType. */
  foreign: number;
  /** Without a MAC header: another link type. */
  notEthernet: number;
  /** To and from other stations than the one asked for. */
  otherStations: number;
  /** Of which the capture has only the beginning. */
  cut: number;
  /** Connections given up because there were too many; they are not in the summary. */
  connectionsForgotten: number;
  /** From the first frame to the last. */
  elapsedNanos: number;
}

/**
 * Reads the frames of a capture one after the other and puts each into its place: which connection,
 * which direction, seen before or missing, which request an answer belongs to, what it breaks.
 * Never throws because of what a frame holds; memory is bounded.
 */
export class FrameDecoder {
  readonly counts: DecoderCounts = {
    frames: 0,
    tloe: 0,
    foreign: 0,
    notEthernet: 0,
    otherStations: 0,
    cut: 0,
    connectionsForgotten: 0,
    elapsedNanos: 0,
  };
  readonly #options: DecoderOptions;
  readonly #reader: FrameReader;
  readonly #macNames = new MacNames();
  /** In the order of the last frame. */
  readonly #conversations = new Map<string, Conversation>();
  #opened = 0;
  #first: { seconds: number; nanos: number } | undefined;

  constructor(options: DecoderOptions = {}) {
    this.#options = options;
    this.#reader = new FrameReader(options.etherType ?? DEFAULT_ETHER_TYPE);
  }

  /** @returns undefined: it is not one that was asked for */
  decode(record: CaptureRecord): DecodedFrame | undefined {
    const { counts } = this;
    counts.frames++;
    if (record.linkType !== LINK_TYPE_ETHERNET) {
      counts.notEthernet++;
      return undefined;
    }
    const start = this.#reader.startOf(record);
    if (start === undefined) {
      counts.foreign++;
      return undefined;
    }
    const { mac } = this.#options;
    if (mac !== undefined && !isMacAt(record.bytes, 0, mac) && !isMacAt(record.bytes, 6, mac)) {
      counts.otherStations++;
      return undefined;
    }
    counts.tloe++;
    return this.#enter(record, start);
  }

  /** The connections seen, in the order of their first frames. */
  conversations(): Conversation[] {
    return [...this.#conversations.values()].toSorted((a, b) => a.number - b.number);
  }

  #enter(record: CaptureRecord, start: number): DecodedFrame {
    const reading = this.#reader.read(record, start);
    if (reading.isCut) this.counts.cut++;
    const place: FramePlace = {
      frame: this.counts.frames,
      seconds: record.seconds,
      nanos: record.nanos,
      elapsedNanos: this.#elapsed(record),
      lengthBytes: record.originalBytes,
      source: this.#macNames.at(record.bytes, 6),
      destination: this.#macNames.at(record.bytes, 0),
    };
    this.counts.elapsedNanos = Math.max(this.counts.elapsedNanos, place.elapsedNanos);
    // Known peers leave garbage in the virtual channel of AckOnly frames.
    const isAckOnly = reading.header?.type === FrameType.ackOnly;
    const vc = isAckOnly ? 0 : (reading.header?.vc ?? 0);
    return this.#conversationOf(place, vc).enter(reading, place);
  }

  #elapsed({ seconds, nanos }: CaptureRecord): number {
    this.#first ??= { seconds, nanos };
    return (seconds - this.#first.seconds) * 1e9 + (nanos - this.#first.nanos);
  }

  #conversationOf(place: FramePlace, vc: number): Conversation {
    const { source, destination } = place;
    const key =
      source < destination ? `${source} ${destination} ${vc}` : `${destination} ${source} ${vc}`;
    let found = this.#conversations.get(key);
    if (found === undefined) {
      this.#makeRoom();
      found = new Conversation(++this.#opened, vc, place);
    } else {
      this.#conversations.delete(key);
    }
    this.#conversations.set(key, found);
    return found;
  }

  #makeRoom(): void {
    if (this.#conversations.size < (this.#options.maxConnections ?? MAX_CONNECTIONS)) return;
    const [oldest] = this.#conversations.keys();
    if (oldest === undefined) return;
    this.#conversations.delete(oldest);
    this.counts.connectionsForgotten++;
  }
}

const MAX_CONNECTIONS = 256;
