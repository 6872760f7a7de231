import { ByteQueue } from './byte-queue.ts';
import { HUNGRY, broken, type CaptureFormat, type CaptureStep } from './capture-record.ts';
import { PcapFormat } from './pcap-format.ts';
import { PcapngFormat, SECTION_HEADER } from './pcapng-format.ts';

/**
 * Reads a capture file that comes in pieces: `push` a piece, then call `next` until it is hungry.
 * Sans-IO, and holds at most half a megabyte beside the piece. Formats: pcap and pcapng, told apart
 * by the first bytes.
 */
export class CaptureReader {
  readonly #queue = new ByteQueue();
  #format: CaptureFormat | undefined;
  #end: CaptureStep | undefined;

  /** Adds a piece of the file, which is copied. */
  push(piece: Uint8Array): void {
    if (this.#end === undefined) this.#queue.push(piece);
  }

  /** The next frame; or that there is none yet, or why there will be none. */
  next(): CaptureStep {
    if (this.#end !== undefined) return this.#end;
    const step = this.#format?.next() ?? this.#recognise();
    if (step.kind !== 'broken') return step;
    this.#end = broken(`${step.why} at byte ${this.#queue.consumed}`);
    return this.#end;
  }

  /** To be called when the file has ended. @returns what is missing; undefined: nothing */
  finish(): string | undefined {
    if (this.#end !== undefined) return undefined;
    if (this.#format === undefined && this.#queue.consumed + this.#queue.length === 0) {
      return 'it is empty';
    }
    if (!this.#queue.isMidway) return undefined;
    return `it ends in the middle of a record at byte ${this.#queue.consumed}`;
  }

  #recognise(): CaptureStep {
    const start = this.#queue.peek(4);
    if (start === undefined) return HUNGRY;
    const word = start.getUint32(0, true);
    if (word === SECTION_HEADER) this.#format = new PcapngFormat(this.#queue);
    else this.#format = PcapFormat.begin(this.#queue, word);
    if (this.#format !== undefined) return this.#format.next();
    const isPacked = (word & 0xffff) === GZIP_MAGIC;
    return broken(isPacked ? 'a compressed file (unpack it first)' : 'neither pcap nor pcapng');
  }
}

const GZIP_MAGIC = 0x8b1f;
