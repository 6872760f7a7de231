const TWO_TO_32 = 2 ** 32;

/**
 * Appends big-endian fields to memory that grows. For the handshake only: the data path writes into
 * memory of fixed size.
 *
 * Growing makes new memory and leaves the old as it was, so bytes that somebody still looks at do
 * not change.
 */
export class ByteBuilder {
  bytes: Uint8Array;
  /** Bytes written so far. */
  length: number = 0;
  private view: DataView;

  constructor(initialBytes = 64) {
    this.bytes = new Uint8Array(initialBytes);
    this.view = new DataView(this.bytes.buffer);
  }

  uint16(value: number): this {
    this.reserve(2);
    this.view.setUint16(this.length, value, false);
    this.length += 2;
    return this;
  }

  uint32(value: number): this {
    this.reserve(4);
    this.view.setUint32(this.length, value, false);
    this.length += 4;
    return this;
  }

  /** A safe integer as 64 bits. */
  uint64(value: number): this {
    return this.uint32(Math.floor(value / TWO_TO_32)).uint32(value % TWO_TO_32);
  }

  raw(bytes: Uint8Array): this {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  zeros(count: number): this {
    this.reserve(count);
    this.bytes.fill(0, this.length, this.length + count);
    this.length += count;
    return this;
  }

  private reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.bytes.length));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }
}
