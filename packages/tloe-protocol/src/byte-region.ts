import { assert } from './assert.ts';

/**
 * A stretch of memory together with the three views that the data path needs, all made once:
 * making a view costs more than parsing a frame.
 *
 * Offsets are bytes from the start of the region. `words` covers the whole 4-byte words of the
 * region, so `words[i]` is bytes 4i .. 4i+3 in the machine's byte order; the region must start on a
 * 4-byte boundary of its ArrayBuffer.
 */
export class ByteRegion {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly words: Int32Array;

  /** @param bytes  memory that the caller keeps; the region only looks at it */
  constructor(bytes: Uint8Array) {
    assert(bytes.byteOffset % 4 === 0, 'a byte region starts on a 4-byte boundary');
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2);
  }

  /** A region of `lengthBytes` zeros of its own. */
  static allocate(lengthBytes: number): ByteRegion {
    return new ByteRegion(new Uint8Array(lengthBytes));
  }
}
