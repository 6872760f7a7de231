import type { ByteQueue } from './byte-queue.ts';
import {
  HUNGRY,
  MAX_CAPTURED_BYTES,
  broken,
  type CaptureFormat,
  type CaptureRecord,
  type CaptureStep,
} from './capture-record.ts';

/** First word of a pcapng file, the same in both byte orders. */
export const SECTION_HEADER = 0x0a0d0d0a;

const Block = { interface: 1, oldPacket: 2, simplePacket: 3, enhancedPacket: 6 } as const;
const Option = { end: 0, timeResolution: 9, timeOffset: 14 } as const;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
/** Type, length, and the length once more at the end. */
const FRAME_BYTES = 12;
/** Longest block that is looked into: a frame, and options as long again. */
const MAX_BLOCK_BYTES = 2 * MAX_CAPTURED_BYTES;
/** More interfaces than any machine captures from; a hostile file does not get more memory. */
const MAX_INTERFACES = 4096;
const NANOS = 1_000_000_000n;

interface CapturedInterface {
  readonly linkType: number;
  readonly snapBytes: number;
  readonly ticksPerSecond: bigint;
  readonly offsetSeconds: bigint;
}

/**
 * The pcapng format: sections in both byte orders, any number of interfaces with link types and time
 * resolutions of their own, packet blocks of all three kinds. Other blocks are passed over, however
 * long they are.
 */
export class PcapngFormat implements CaptureFormat {
  readonly #queue: ByteQueue;
  #isLittle = true;
  #interfaces: CapturedInterface[] = [];
  #toSkip = 0;
  /** Simple packets have no time: that of the frame before counts. */
  #last = { seconds: 0, nanos: 0 };

  constructor(queue: ByteQueue) {
    this.#queue = queue;
  }

  next(): CaptureStep {
    for (;;) {
      this.#queue.skip(this.#toSkip);
      this.#toSkip = 0;
      const head = this.#queue.peek(FRAME_BYTES);
      if (head === undefined) return HUNGRY;
      const step = this.#takeBlock(head);
      if (step !== undefined) return step;
    }
  }

  /** @returns undefined: the block had no frame */
  #takeBlock(head: DataView): CaptureStep | undefined {
    if (head.getUint32(0) === SECTION_HEADER) {
      this.#isLittle = head.getUint32(8, true) === BYTE_ORDER_MAGIC;
      if (!this.#isLittle && head.getUint32(8) !== BYTE_ORDER_MAGIC) {
        return broken('a section has no byte order');
      }
      this.#interfaces = [];
    }
    const type = head.getUint32(0, this.#isLittle);
    const length = head.getUint32(4, this.#isLittle);
    if (length < FRAME_BYTES || length % 4 !== 0) return broken(`a block of ${length} bytes`);
    const isRead = Object.values(Block).some((each) => each === type);
    if (!isRead) {
      this.#toSkip = length;
      return undefined;
    }
    if (length > MAX_BLOCK_BYTES) return broken(`a block of ${length} bytes is announced`);
    const block = this.#queue.peek(length);
    if (block === undefined) return HUNGRY;
    this.#toSkip = length;
    return type === Block.interface ? this.#takeInterface(block) : this.#takePacket(type, block);
  }

  #takeInterface(block: DataView): CaptureStep | undefined {
    if (block.byteLength < 20) return broken('an interface without a description');
    if (this.#interfaces.length === MAX_INTERFACES) return broken('too many interfaces');
    let ticksPerSecond = 1_000_000n;
    let offsetSeconds = 0n;
    const end = block.byteLength - 4;
    for (let at = 16; at + 4 <= end;) {
      const code = block.getUint16(at, this.#isLittle);
      const length = block.getUint16(at + 2, this.#isLittle);
      if (code === Option.end || at + 4 + length > end) break;
      if (code === Option.timeResolution && length === 1) {
        const resolution = block.getUint8(at + 4);
        const base = resolution >= 128 ? 2n : 10n;
        ticksPerSecond = base ** BigInt(resolution & 127);
      } else if (code === Option.timeOffset && length === 8) {
        offsetSeconds = block.getBigInt64(at + 4, this.#isLittle);
      }
      at += 4 + ((length + 3) & ~3);
    }
    this.#interfaces.push({
      linkType: block.getUint16(8, this.#isLittle),
      snapBytes: block.getUint32(12, this.#isLittle),
      ticksPerSecond,
      offsetSeconds,
    });
    return undefined;
  }

  #takePacket(type: number, block: DataView): CaptureStep {
    const isSimple = type === Block.simplePacket;
    const bodyAt = isSimple ? 12 : 28;
    if (block.byteLength < bodyAt + 4) return broken('a block that is shorter than its head');
    const number = this.#interfaceNumber(type, block);
    const from = this.#interfaces[number];
    if (from === undefined) return broken(`a frame of interface ${number}, which is not described`);
    const original = block.getUint32(isSimple ? 8 : 24, this.#isLittle);
    const limit = from.snapBytes === 0 ? original : Math.min(from.snapBytes, original);
    const captured = isSimple ? limit : block.getUint32(20, this.#isLittle);
    if (bodyAt + captured > block.byteLength - 4) return broken('a frame longer than its block');
    if (!isSimple) this.#last = this.#timeOf(block, from);
    const record: CaptureRecord = {
      ...this.#last,
      linkType: from.linkType,
      bytes: new Uint8Array(block.buffer, block.byteOffset + bodyAt, captured),
      originalBytes: Math.max(original, captured),
    };
    return { kind: 'record', record };
  }

  #interfaceNumber(type: number, block: DataView): number {
    if (type === Block.simplePacket) return 0;
    if (type === Block.oldPacket) return block.getUint16(8, this.#isLittle);
    return block.getUint32(8, this.#isLittle);
  }

  #timeOf(block: DataView, from: CapturedInterface): { seconds: number; nanos: number } {
    const high = BigInt(block.getUint32(12, this.#isLittle));
    const ticks = (high << 32n) | BigInt(block.getUint32(16, this.#isLittle));
    const seconds = ticks / from.ticksPerSecond + from.offsetSeconds;
    const nanos = ((ticks % from.ticksPerSecond) * NANOS) / from.ticksPerSecond;
    return { seconds: Number(seconds), nanos: Number(nanos) };
  }
}
