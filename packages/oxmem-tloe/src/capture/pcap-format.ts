import type { ByteQueue } from './byte-queue.ts';
import {
  HUNGRY,
  MAX_CAPTURED_BYTES,
  broken,
  type CaptureFormat,
  type CaptureStep,
} from './capture-record.ts';

/** What the first word of a classic capture file says, read as little-endian. */
const KINDS: ReadonlyMap<number, { isLittle: boolean; nanosPerTick: number }> = new Map([
  [0xa1b2c3d4, { isLittle: true, nanosPerTick: 1000 }],
  [0xd4c3b2a1, { isLittle: false, nanosPerTick: 1000 }],
  [0xa1b23c4d, { isLittle: true, nanosPerTick: 1 }],
  [0x4d3cb2a1, { isLittle: false, nanosPerTick: 1 }],
]);

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;

/** The classic capture format ("pcap-savefile"), in both byte orders, with micro- and nanoseconds. */
export class PcapFormat implements CaptureFormat {
  readonly #queue: ByteQueue;
  readonly #isLittle: boolean;
  readonly #nanosPerTick: number;
  #linkType: number | undefined;
  #toSkip = 0;

  /** @returns undefined if the file does not begin like one */
  static begin(queue: ByteQueue, firstWord: number): PcapFormat | undefined {
    const kind = KINDS.get(firstWord);
    return kind && new PcapFormat(queue, kind);
  }

  private constructor(queue: ByteQueue, kind: { isLittle: boolean; nanosPerTick: number }) {
    this.#queue = queue;
    this.#isLittle = kind.isLittle;
    this.#nanosPerTick = kind.nanosPerTick;
  }

  next(): CaptureStep {
    if (this.#linkType === undefined && !this.#readFileHeader()) return HUNGRY;
    this.#queue.skip(this.#toSkip);
    this.#toSkip = 0;
    const head = this.#queue.peek(RECORD_HEADER_BYTES);
    if (head === undefined) return HUNGRY;
    const captured = head.getUint32(8, this.#isLittle);
    if (captured > MAX_CAPTURED_BYTES) return broken(`a frame of ${captured} bytes is announced`);
    const whole = this.#queue.peek(RECORD_HEADER_BYTES + captured);
    if (whole === undefined) return HUNGRY;
    this.#toSkip = whole.byteLength;
    const record = {
      seconds: whole.getUint32(0, this.#isLittle),
      nanos: Math.min(whole.getUint32(4, this.#isLittle) * this.#nanosPerTick, 999_999_999),
      linkType: this.#linkType ?? 0,
      bytes: new Uint8Array(whole.buffer, whole.byteOffset + RECORD_HEADER_BYTES, captured),
      originalBytes: Math.max(whole.getUint32(12, this.#isLittle), captured),
    };
    return { kind: 'record', record };
  }

  #readFileHeader(): boolean {
    const header = this.#queue.peek(FILE_HEADER_BYTES);
    if (header === undefined) return false;
    // The upper bits tell of an FCS, which nobody here looks at.
    this.#linkType = header.getUint32(20, this.#isLittle) & 0xffff;
    this.#queue.skip(FILE_HEADER_BYTES);
    return true;
  }
}
