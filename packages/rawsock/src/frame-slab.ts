/**
 * Slots of equal size in one piece of memory, and a table that says which bytes of it are the
 * frames of a batch.
 *
 * A frame begins two bytes into its slot and slots are multiples of 64 bytes, so everything after
 * the 14-byte MAC header is 8-byte aligned. The views are made once: making one costs more than
 * reading a frame.
 *
 * A receive slab belongs to its socket: the frames of a batch are valid until the handler returns.
 * The memory must not be transferred to another thread while the socket is open.
 */
export class FrameSlab {
  readonly slotBytes: number;
  readonly slots: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The same memory as 4-byte words in the machine's byte order. */
  readonly words: Int32Array;
  /** Byte offset and length of frame i at 2i and 2i + 1. */
  readonly descriptors: Int32Array;

  /**
   * @param slots     frames that fit, 1 or more
   * @param mtuBytes  largest payload after the MAC header; a VLAN tag fits besides
   */
  constructor(slots: number, mtuBytes: number) {
    this.slots = slots;
    this.slotBytes = slotBytesFor(mtuBytes);
    const memory = new ArrayBuffer(this.slotBytes * slots);
    this.bytes = new Uint8Array(memory);
    this.view = new DataView(memory);
    this.words = new Int32Array(memory);
    this.descriptors = new Int32Array(2 * slots);
  }

  /** Byte offset of the frame in slot `slot`. */
  offsetOf(slot: number): number {
    return slot * this.slotBytes + FRAME_OFFSET;
  }

  /** Puts a copy of `frame` into slot `index` and describes it as frame `index` of the batch. */
  put(index: number, frame: Uint8Array): void {
    const offset = this.offsetOf(index);
    if (index >= this.slots || frame.length > this.slotBytes - FRAME_OFFSET) {
      throw new RangeError(`a frame of ${frame.length} bytes does not fit into slot ${index}`);
    }
    this.bytes.set(frame, offset);
    this.descriptors[2 * index] = offset;
    this.descriptors[2 * index + 1] = frame.length;
  }

  /** A view of frame `index` of the batch. */
  frame(index: number): Uint8Array {
    const offset = this.descriptors[2 * index] as number;
    return this.bytes.subarray(offset, offset + (this.descriptors[2 * index + 1] as number));
  }
}

/** Bytes of a slot for frames whose payload is `mtuBytes` at most; a VLAN tag fits besides. */
export function slotBytesFor(mtuBytes: number): number {
  return roundUp(FRAME_OFFSET + MAC_HEADER_BYTES + VLAN_TAG_BYTES + mtuBytes);
}

const FRAME_OFFSET = 2;
const MAC_HEADER_BYTES = 14;
const VLAN_TAG_BYTES = 4;
const SLOT_ALIGNMENT = 64;

function roundUp(bytes: number): number {
  return Math.ceil(bytes / SLOT_ALIGNMENT) * SLOT_ALIGNMENT;
}
