/**
 * Bytes of a stream that came in pieces and are taken in pieces of another size. Holds what has not
 * been taken yet; whoever takes bounds how much that can be.
 */
export class ByteQueue {
  /** Bytes taken or skipped since the start of the stream. */
  consumed = 0;
  #bytes = new Uint8Array(64 * 1024);
  #start = 0;
  #end = 0;
  #skipping = 0;

  /** Bytes that are there. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Adds a copy of a piece. */
  push(piece: Uint8Array): void {
    const skipped = Math.min(this.#skipping, piece.length);
    this.#skipping -= skipped;
    this.consumed += skipped;
    const rest = piece.subarray(skipped);
    if (this.#end + rest.length > this.#bytes.length) this.#makeRoom(rest.length);
    this.#bytes.set(rest, this.#end);
    this.#end += rest.length;
  }

  /** The next `count` bytes without taking them, valid until the next push; undefined: not there. */
  peek(count: number): DataView | undefined {
    if (this.length < count) return undefined;
    return new DataView(this.#bytes.buffer, this.#start, count);
  }

  /** Leaves out the next `count` bytes, also those that have yet to come. */
  skip(count: number): void {
    const present = Math.min(count, this.length);
    this.#start += present;
    this.consumed += present;
    this.#skipping += count - present;
  }

  /** Whether the stream, if it ended here, would end in the middle of something. */
  get isMidway(): boolean {
    return this.#skipping > 0 || this.length > 0;
  }

  #makeRoom(added: number): void {
    const needed = this.length + added;
    const target =
      needed <= this.#bytes.length
        ? this.#bytes
        : new Uint8Array(2 ** Math.ceil(Math.log2(needed)));
    target.set(this.#bytes.subarray(this.#start, this.#end));
    this.#end -= this.#start;
    this.#start = 0;
    this.#bytes = target;
  }
}
