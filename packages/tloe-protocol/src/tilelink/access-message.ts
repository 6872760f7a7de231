import type { ByteRegion } from '../byte-region.ts';
import { BlockCopier } from '../block-copier.ts';
import { copyReversed } from '../copy-bytes.ts';
import type { Link } from '../link/link.ts';
import { Channel, OpcodeA, messageFlits } from '../wire/channel.ts';
import { MessageFields, writeMessageHead } from '../wire/tilelink-message.ts';
import { AccessKind, type Access, type AccessTable } from './access-table.ts';
import { maskBitOfWireByte, wireByteOfLane } from './data-order.ts';
import { RequestKind } from './memory-request.ts';
import { WORD_BYTES } from './split.ts';

/** Opcode of the message that each kind of access sends. */
const OPCODES: Readonly<Record<AccessKind, number>> = {
  [AccessKind.free]: 0,
  [AccessKind.get]: OpcodeA.get,
  [AccessKind.put]: OpcodeA.putFullData,
  [AccessKind.putPartial]: OpcodeA.putPartialData,
  [AccessKind.mergeGet]: OpcodeA.get,
  [AccessKind.mergePut]: OpcodeA.putFullData,
};

/**
 * Turns accesses into channel A messages in the link's frames, and the data of answers into bytes of
 * the request's buffer: the one copy of each direction.
 */
export class AccessMessages {
  readonly #link: Link;
  readonly #isReversed: boolean;
  readonly #table: AccessTable;
  readonly #scratch: ByteRegion;
  readonly #copier = new BlockCopier();
  readonly #fields: MessageFields = new MessageFields();

  constructor(link: Link, isReversed: boolean, table: AccessTable) {
    this.#link = link;
    this.#isReversed = isReversed;
    this.#table = table;
    this.#scratch = table.scratch;
    this.#fields.channel = Channel.A;
  }

  /** Writes the access's message into a frame, under a new source; false if credits or window do not allow it now. */
  send(access: Access): boolean {
    const fields = this.#fields;
    fields.opcode = OPCODES[access.kind];
    fields.sizeLog2 = access.sizeLog2;
    const flits = messageFlits(Channel.A, fields.opcode, access.sizeLog2);
    const offset = this.#link.reserve(Channel.A, flits);
    if (offset < 0) return false;
    this.#table.renewSource(access);
    fields.source = access.source;
    fields.addressHigh = access.addressHigh;
    fields.addressLow = access.addressLow;
    const region = this.#link.transmitRegion;
    const body = writeMessageHead(region.view, offset, fields);
    access.frameNumber = this.#link.frameNumberInProgress;
    if (access.kind === AccessKind.put) this.#writeData(access, region, body);
    else if (access.kind === AccessKind.putPartial) this.#writePartial(access, region, body);
    else if (access.kind === AccessKind.mergePut) {
      this.#copy(region, body, this.#scratch, access.index * WORD_BYTES, WORD_BYTES);
    }
    return true;
  }

  /** Copies the data of an answer to a Get into the request's buffer. */
  receiveData(access: Access, region: ByteRegion, body: number): void {
    const request = access.request;
    if (request?.buffer === undefined) return;
    const target = request.bufferOffset + access.start;
    if (access.length >= WORD_BYTES) {
      this.#copy(request.buffer, target, region, body, access.length);
      return;
    }
    for (let i = 0; i < access.length; i++) {
      const at = body + wireByteOfLane(access.lane + i, this.#isReversed);
      request.buffer.bytes[target + i] = region.bytes[at] as number;
    }
  }

  /** Keeps the word that was read and overwrites the part that the request writes. */
  merge(access: Access, region: ByteRegion, body: number): void {
    const word = access.index * WORD_BYTES;
    this.#copy(this.#scratch, word, region, body, WORD_BYTES);
    for (let i = 0; i < access.length; i++) {
      this.#scratch.bytes[word + access.lane + i] = sourceByte(access, i);
    }
  }

  #writeData(access: Access, region: ByteRegion, body: number): void {
    const request = access.request;
    if (request === undefined || request.kind === RequestKind.zero) {
      region.bytes.fill(0, body, body + access.length);
    } else if (request.buffer !== undefined) {
      const from = request.bufferOffset + access.start;
      this.#copy(region, body, request.buffer, from, access.length);
    }
  }

  #writePartial(access: Access, region: ByteRegion, body: number): void {
    let mask = 0;
    region.bytes.fill(0, body, body + 2 * WORD_BYTES);
    for (let i = 0; i < access.length; i++) {
      const wireByte = wireByteOfLane(access.lane + i, this.#isReversed);
      mask |= maskBitOfWireByte(wireByte);
      region.bytes[body + WORD_BYTES + wireByte] = sourceByte(access, i);
    }
    region.view.setUint32(body + 4, mask);
  }

  // oxlint-disable-next-line max-params -- the two ends of a copy, on the hottest path
  #copy(to: ByteRegion, toOffset: number, from: ByteRegion, fromOffset: number, n: number): void {
    if (this.#isReversed) copyReversed(to, toOffset, from, fromOffset, n);
    else this.#copier.copy(to, toOffset, from, fromOffset, n);
  }
}

/** Byte `i` of the part of the request that the access writes. */
function sourceByte(access: Access, i: number): number {
  const request = access.request;
  if (request?.buffer === undefined || request.kind === RequestKind.zero) return 0;
  return request.buffer.bytes[request.bufferOffset + access.start + i] as number;
}
