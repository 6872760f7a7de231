import { BlockCommand, BlockRequest, type NbdErrno } from '@oxmem/nbd-protocol';

/** A block request with a buffer of its own, that notes how it ended. */
export class TestRequest extends BlockRequest {
  error: NbdErrno | undefined = undefined;
  text = '';
  /** Whether the client has gone. */
  override isAbandoned = false;

  constructor(command: BlockCommand, offset: number, length: number) {
    // Zeroing needs no buffer, and 4 GiB of one would be a lot.
    const needsBuffer = command === BlockCommand.Read || command === BlockCommand.Write;
    const buffer = new ArrayBuffer(needsBuffer ? (length + 7) & ~7 : 8);
    const bytes = new Uint8Array(buffer);
    super({ bytes, view: new DataView(buffer), words: new Int32Array(buffer) });
    this.command = command;
    this.offset = offset;
    this.length = length;
  }

  get isDone(): boolean {
    return this.error !== undefined;
  }

  /** The data of a read or write. */
  get data(): Uint8Array {
    return this.buffer.bytes.subarray(0, this.length);
  }

  override complete(error: NbdErrno, text = ''): void {
    if (this.isDone) throw new Error('a request is completed once');
    this.error = error;
    this.text = text;
  }
}
