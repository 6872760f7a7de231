const NO_BYTES = new Uint8Array(0);
/** Below this a loop copies faster than the view that a bulk copy needs can be made. */
const SHORT_COPY_BYTES = 64;

/** The bytes that the host offers at the moment, and how far they have been taken. */
export class InputCursor {
  bytes: Uint8Array = NO_BYTES;
  /** The next byte to be taken. */
  at: number = 0;
  end: number = 0;

  get available(): number {
    return this.end - this.at;
  }

  /** Looks at `bytes[offset .. offset + length - 1]`. */
  show(bytes: Uint8Array, offset: number, length: number): void {
    this.bytes = bytes;
    this.at = offset;
    this.end = offset + length;
  }

  /** Lets go of the host's memory. */
  hide(): void {
    this.bytes = NO_BYTES;
    this.at = 0;
    this.end = 0;
  }

  /** Takes `count` available bytes into `target`. */
  copyTo(target: Uint8Array, targetOffset: number, count: number): void {
    const source = this.bytes;
    const start = this.at;
    this.at += count;
    if (count > SHORT_COPY_BYTES) {
      target.set(source.subarray(start, start + count), targetOffset);
      return;
    }
    for (let i = 0; i < count; i++) target[targetOffset + i] = source[start + i] as number;
  }
}
