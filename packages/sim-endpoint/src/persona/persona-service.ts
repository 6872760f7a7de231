import {
  ByteRegion,
  Channel,
  MessageFields,
  OpcodeA,
  OpcodeC,
  OpcodeD,
  dataFlits,
  type MemoryBackend,
  type RemoteAddress,
} from '@oxmem/tloe-protocol';
import type { RequestFaults } from '../connection.ts';
import type { ServiceHabits } from './endpoint-habits.ts';
import type { HeardMessage } from './persona-frame.ts';

/** What a message of an initiator leads to. */
export type Outcome =
  | { readonly kind: 'reply'; readonly reply: Reply }
  | { readonly kind: 'silence' }
  /** The rest of the frame is not looked at. */
  | { readonly kind: 'endOfFrame' }
  /** The program is gone, or the hardware stuck. */
  | { readonly kind: 'ends' | 'blocks'; readonly why: string };

/** An answer that waits to be sent. */
export interface Reply {
  readonly fields: MessageFields;
  readonly body: Uint8Array;
}

/** Where the memory lies, and what is wrong with it. */
export interface ServedMemory {
  readonly backend: MemoryBackend;
  readonly base: RemoteAddress;
  readonly requestFaults?: RequestFaults | undefined;
}

/** The parameter of ReleaseAck and of answers that have none. */
const NO_PARAM = 0;

/** A Grant that grants nothing. TileLink 1.8.0 table 8.3. */
const PARAM_TO_N = 2;

/**
 * The TileLink side of a foreign endpoint: executes messages on a memory, as exactly as its habits
 * let it. Atomics are not played: no initiator that matters sends them.
 */
export class PersonaService {
  readonly #habits: ServiceHabits;
  readonly #memory: ServedMemory;
  readonly #scratch = ByteRegion.allocate(2 ** 15);

  constructor(habits: ServiceHabits, memory: ServedMemory) {
    this.#habits = habits;
    this.#memory = memory;
  }

  /** Executes one message. */
  execute({ fields, body }: HeardMessage): Outcome {
    if (fields.channel === Channel.C) return this.#release(fields);
    if (fields.channel !== Channel.A) return { kind: 'silence' };
    const { opcode } = fields;
    if (!this.#habits.opcodes.includes(opcode)) return this.#unknown(fields);
    const isWrite = opcode === OpcodeA.putFullData || opcode === OpcodeA.putPartialData;
    const limit = isWrite ? this.#habits.maxPutLog2 : this.#habits.maxGetLog2;
    if (opcode !== OpcodeA.intent && fields.sizeLog2 > limit) return this.#tooLarge(fields);
    const place = this.#place(fields);
    if (typeof place === 'string') {
      const why = `an access across the end of its memory at ${place}`;
      return place === 'denied' ? this.#deny(fields) : { kind: 'ends', why };
    }
    if (this.#memory.requestFaults?.refuses() === true) return this.#deny(fields);
    if (opcode === OpcodeA.intent) return this.#answer(fields, OpcodeD.hintAck, NOTHING);
    if (opcode === OpcodeA.get) return this.#get(fields, place);
    if (opcode === OpcodeA.putFullData) this.#putFull(fields, body, place);
    else this.#putPartial(fields, body, place);
    return this.#answer(fields, OpcodeD.accessAck, NOTHING);
  }

  #get(fields: MessageFields, offset: number): Outcome {
    const body = new Uint8Array(dataFlits(fields.sizeLog2) * 8);
    const length = 1 << fields.sizeLog2;
    if (length >= 8) body.set(inWireOrder(this.#load(offset, length), this.#isReversed));
    else if (this.#habits.widensShortAccesses) {
      body.set(inWireOrder(this.#load(offset - (offset % 8), 8), this.#isReversed));
    } else {
      body.fill(this.#habits.shortPadding);
      this.#load(offset, length).forEach((byte, i) => {
        body[this.#wireByte(fields, i)] = byte;
      });
    }
    const isSpoilt = this.#memory.backend.isDamaged?.(offset, length) === true;
    return this.#answer(fields, OpcodeD.accessAckData, body, { corrupt: isSpoilt });
  }

  #putFull(fields: MessageFields, body: Uint8Array, offset: number): void {
    const length = 1 << fields.sizeLog2;
    if (length >= 8) {
      this.#store(offset, inWireOrder(body.slice(0, length), this.#isReversed));
    } else if (this.#habits.widensShortAccesses) {
      this.#store(offset - (offset % 8), inWireOrder(body.slice(0, 8), this.#isReversed));
    } else {
      const bytes = Uint8Array.from({ length }, (_, i) => body[this.#wireByte(fields, i)] ?? 0);
      this.#store(offset, bytes);
    }
  }

  /** A mask word before each eight data words; mask bit b goes with bits 8b+7:8b of its word. */
  #putPartial(fields: MessageFields, body: Uint8Array, offset: number): void {
    const length = 1 << fields.sizeLog2;
    const first = length < 8 ? fields.addressLow & 7 : 0;
    for (let i = 0; i < length; i++) {
      const lane = (first + i) & 7;
      const word = i >> 3;
      const group = (word >> 3) * 72;
      const wireByte = this.#isReversed ? 7 - lane : lane;
      const mask = body[group + 7 - (word & 7)] ?? 0;
      if (((mask >> (7 - wireByte)) & 1) === 0) continue;
      const value = body[group + 8 + (word & 7) * 8 + wireByte] ?? 0;
      this.#store(offset + i, Uint8Array.of(value));
    }
  }

  #release(fields: MessageFields): Outcome {
    const isRelease = fields.opcode === OpcodeC.release || fields.opcode === OpcodeC.releaseData;
    if (!isRelease || this.#habits.otherOpcodes !== 'areDenied') return { kind: 'silence' };
    return this.#answer(fields, OpcodeD.releaseAck, NOTHING);
  }

  #unknown(fields: MessageFields): Outcome {
    switch (this.#habits.otherOpcodes) {
      case 'areSwallowed':
        return { kind: 'silence' };
      case 'endTheFrame':
        return { kind: 'endOfFrame' };
      case 'areDenied':
        return this.#deny(fields);
    }
  }

  #tooLarge(fields: MessageFields): Outcome {
    const why = `an access of 2^${fields.sizeLog2} bytes`;
    const { whenLarger } = this.#habits;
    if (whenLarger !== 'isDenied') return { kind: whenLarger, why };
    // As no frame may hold its data, a Get is refused without any.
    const isGet = fields.opcode === OpcodeA.get;
    return isGet
      ? this.#answer(fields, OpcodeD.accessAck, NOTHING, { denied: true })
      : this.#deny(fields);
  }

  /** Offset in the memory, or what becomes of an access that has none. */
  #place(fields: MessageFields): number | 'denied' | 'theEnd' {
    const { alignment, range, pastTheEnd } = this.#habits;
    const { backend, base } = this.#memory;
    const length = 1 << fields.sizeLog2;
    const isAligned = (fields.addressLow & (length - 1)) === 0;
    if (!isAligned && alignment === 'deny') return 'denied';
    const address = (BigInt(fields.addressHigh) << 32n) | BigInt(fields.addressLow);
    const from = (BigInt(base.high) << 32n) | BigInt(base.low);
    const distance = BigInt.asUintN(64, address - from);
    const size = BigInt(backend.sizeBytes);
    if (distance >= size && range === 'deny') return 'denied';
    const offset = Number(distance % size);
    if (offset + length <= backend.sizeBytes || pastTheEnd === 'wraps') return offset;
    return pastTheEnd === 'isDenied' ? 'denied' : 'theEnd';
  }

  #deny(fields: MessageFields): Outcome {
    const { opcode } = fields;
    if (opcode === OpcodeA.acquireBlock || opcode === OpcodeA.acquirePerm) {
      return this.#answer(fields, OpcodeD.grant, NOTHING, { denied: true, param: PARAM_TO_N });
    }
    if (opcode === OpcodeA.intent) {
      return this.#answer(fields, OpcodeD.hintAck, NOTHING, { denied: true });
    }
    const isPut = opcode === OpcodeA.putFullData || opcode === OpcodeA.putPartialData;
    if (isPut) return this.#answer(fields, OpcodeD.accessAck, NOTHING, { denied: true });
    const zeros = new Uint8Array(dataFlits(fields.sizeLog2) * 8);
    return this.#answer(fields, OpcodeD.accessAckData, zeros, { denied: true, corrupt: true });
  }

  // oxlint-disable-next-line max-params -- request, kind, data and what is odd about it
  #answer(
    request: MessageFields,
    opcode: number,
    body: Uint8Array,
    odd: { denied?: boolean; corrupt?: boolean; param?: number } = {},
  ): Outcome {
    const { echoes, ackSize } = this.#habits;
    const fields = new MessageFields();
    fields.channel = Channel.D;
    fields.opcode = opcode;
    fields.source = request.source;
    fields.domain = echoes === 'nothing' ? 0 : request.domain;
    fields.param = odd.param ?? (echoes === 'everything' ? request.param : NO_PARAM);
    const hasNoSize = opcode === OpcodeD.accessAck && ackSize === 'zero';
    fields.sizeLog2 = hasNoSize ? 0 : request.sizeLog2;
    fields.denied = odd.denied ?? false;
    fields.corrupt = odd.corrupt ?? false;
    return { kind: 'reply', reply: { fields, body } };
  }

  get #isReversed(): boolean {
    return this.#habits.dataOrder === 'spec';
  }

  /** Where byte `i` of an access below a word travels. */
  #wireByte(fields: MessageFields, i: number): number {
    switch (this.#habits.shortData) {
      case 'left':
        return i;
      case 'low':
        return 7 - i;
      case 'lane': {
        const lane = (fields.addressLow + i) & 7;
        return this.#isReversed ? 7 - lane : lane;
      }
    }
  }

  #load(offset: number, length: number): Uint8Array {
    const { backend } = this.#memory;
    const first = Math.min(length, backend.sizeBytes - offset);
    backend.read(offset, first, this.#scratch, 0);
    for (let i = first; i < length; i++) {
      backend.read((offset + i) % backend.sizeBytes, 1, this.#scratch, i);
    }
    return this.#scratch.bytes.slice(0, length);
  }

  #store(offset: number, bytes: Uint8Array): void {
    const { backend } = this.#memory;
    this.#scratch.bytes.set(bytes);
    const first = Math.min(bytes.length, backend.sizeBytes - offset);
    backend.write(offset, first, this.#scratch, 0);
    for (let i = first; i < bytes.length; i++) {
      backend.write((offset + i) % backend.sizeBytes, 1, this.#scratch, i);
    }
  }
}

const NOTHING = new Uint8Array();

/** Whole words between memory and wire; the same way there and back. */
function inWireOrder(bytes: Uint8Array, isReversed: boolean): Uint8Array {
  if (!isReversed) return bytes;
  return Uint8Array.from(bytes, (_, i) => bytes[(i & ~7) + 7 - (i & 7)] ?? 0);
}
