import { ByteBuilder } from '../wire/byte-builder.ts';
import {
  Command,
  EXPORT_NAME_PADDING_BYTES,
  GREETING_BYTES,
  HandshakeFlag,
  IHAVEOPT_HIGH,
  IHAVEOPT_LOW,
  InfoKind,
  NBDMAGIC_HIGH,
  NBDMAGIC_LOW,
  OPTION_REPLY_HEADER_BYTES,
  OPTION_REPLY_MAGIC_HIGH,
  OPTION_REPLY_MAGIC_LOW,
  Option,
  OptionReply,
  REQUEST_MAGIC,
} from '../wire/constants.ts';
import { encodeUtf8 } from '../wire/text.ts';
import { type ClientReply, ReplyReader } from './reply-reader.ts';

/** One option reply as the client got it. */
export interface ClientOptionReply {
  readonly option: number;
  readonly type: number;
  readonly data: Uint8Array;
}

/** A request as a test asks for it. */
export interface ClientRequest {
  /** One of `Command`, or any 16-bit number. */
  readonly type: number;
  readonly offset?: number;
  readonly length?: number;
  readonly flags?: number;
  /** For a write; its length is the request's unless `length` says otherwise. */
  readonly payload?: Uint8Array;
}

/** Size and flags of an export, as the server told them. */
export interface ClientExport {
  readonly sizeBytes: number;
  readonly flags: number;
}

type Phase = 'greeting' | 'options' | 'exportName' | 'transmission';

/**
 * The client's end of an NBD connection, for tests: bytes to send are collected in `takeOutgoing`,
 * bytes of the server go in by `receive` and may be cut anywhere. It checks that the server keeps to
 * the protocol and throws where it does not. No limits, no thrift: not for production.
 */
export class NbdTestClient {
  /** What the server offered in its greeting; undefined before that. */
  handshakeFlags: number | undefined = undefined;
  readonly optionReplies: ClientOptionReply[] = [];
  /** Set by the answer to EXPORT_NAME or by INFO_EXPORT. */
  exportInfo: ClientExport | undefined = undefined;
  private phase: Phase = 'greeting';
  private noZeroes = false;
  private exportNameIsNext = false;
  private incoming: Uint8Array = new Uint8Array(0);
  private outgoing = new ByteBuilder();
  private readonly reader = new ReplyReader();
  private cookieCount = 0;

  /** Bytes to send since the last call. */
  takeOutgoing(): Uint8Array {
    if (this.outgoing.length === 0) return NOTHING;
    const bytes = this.outgoing.bytes.slice(0, this.outgoing.length);
    this.outgoing = new ByteBuilder();
    return bytes;
  }

  /** Sends any bytes at all. */
  sendRaw(bytes: Uint8Array): void {
    this.outgoing.raw(bytes);
  }

  /** Answers the greeting. */
  sendFlags(flags: number = HandshakeFlag.FIXED_NEWSTYLE | HandshakeFlag.NO_ZEROES): void {
    this.noZeroes = (flags & HandshakeFlag.NO_ZEROES) !== 0;
    this.outgoing.uint32(flags);
  }

  sendOption(option: number, data: Uint8Array = new Uint8Array(0)): void {
    this.outgoing.uint32(IHAVEOPT_HIGH).uint32(IHAVEOPT_LOW);
    this.outgoing.uint32(option).uint32(data.length).raw(data);
    if (option === Option.EXPORT_NAME) this.expectExportName();
  }

  /** OPT_INFO or OPT_GO. */
  sendInfo(option: number, name: string, kinds: readonly number[] = [InfoKind.BLOCK_SIZE]): void {
    const nameBytes = encodeUtf8(name);
    const data = new ByteBuilder().uint32(nameBytes.length).raw(nameBytes).uint16(kinds.length);
    for (const kind of kinds) data.uint16(kind);
    this.sendOption(option, data.bytes.slice(0, data.length));
  }

  /** OPT_LIST_META_CONTEXT or OPT_SET_META_CONTEXT. */
  sendMetaContext(option: number, name: string, queries: readonly string[]): void {
    const nameBytes = encodeUtf8(name);
    const data = new ByteBuilder().uint32(nameBytes.length).raw(nameBytes).uint32(queries.length);
    for (const query of queries) {
      const bytes = encodeUtf8(query);
      data.uint32(bytes.length).raw(bytes);
    }
    this.sendOption(option, data.bytes.slice(0, data.length));
  }

  /** The usual way in: flags, structured replies and base:allocation if wanted, GO. */
  sendHandshake(name = '', structured = false): void {
    this.sendFlags();
    if (structured) {
      this.sendOption(Option.STRUCTURED_REPLY);
      this.sendMetaContext(Option.SET_META_CONTEXT, name, ['base:allocation']);
    }
    this.sendInfo(Option.GO, name);
  }

  /** Starts in the transmission phase, against a connection with a fixed export. */
  skipHandshake(): void {
    this.phase = 'transmission';
  }

  /** Sends a request; returns its cookie, by which `reply` finds the answer. */
  sendRequest(request: ClientRequest): number {
    const cookie = ++this.cookieCount;
    const payload = request.payload ?? new Uint8Array(0);
    const { type, offset = 0, length = payload.length } = request;
    this.outgoing
      .uint32(REQUEST_MAGIC)
      .uint16(request.flags ?? 0)
      .uint16(type);
    this.outgoing.uint32(0xc00c1e00).uint32(cookie);
    this.outgoing.uint64(offset).uint32(length).raw(payload);
    if (type !== Command.DISC) this.reader.expect(cookie, { type, offset, length });
    return cookie;
  }

  read(offset: number, length: number, flags = 0): number {
    return this.sendRequest({ type: Command.READ, offset, length, flags });
  }

  write(offset: number, payload: Uint8Array, flags = 0): number {
    return this.sendRequest({ type: Command.WRITE, offset, payload, flags });
  }

  flush(): number {
    return this.sendRequest({ type: Command.FLUSH });
  }

  disconnect(): void {
    this.sendRequest({ type: Command.DISC });
  }

  /** The answer to a request, once it is complete. */
  reply(cookie: number): ClientReply | undefined {
    return this.reader.replies.get(cookie);
  }

  /** Cookies in the order in which their answers were completed. */
  get answered(): readonly number[] {
    return [...this.reader.replies.keys()];
  }

  /** Requests without a complete answer. */
  get openRequests(): number {
    return this.reader.openRequests;
  }

  get inTransmission(): boolean {
    return this.phase === 'transmission';
  }

  /** Bytes that do not yet make a whole message. */
  get unparsedBytes(): number {
    return this.incoming.length + this.reader.unparsedBytes;
  }

  /** @throws Error when the server breaks the protocol */
  receive(bytes: Uint8Array): void {
    if (this.phase === 'transmission') {
      this.reader.receive(bytes);
      return;
    }
    const joined = new Uint8Array(this.incoming.length + bytes.length);
    joined.set(this.incoming);
    joined.set(bytes, this.incoming.length);
    this.incoming = joined;
    while (!this.inTransmission && this.parseOne());
    if (!this.inTransmission) return;
    this.reader.receive(this.incoming);
    this.incoming = new Uint8Array(0);
  }

  private expectExportName(): void {
    if (this.phase === 'options') this.phase = 'exportName';
    else this.exportNameIsNext = true;
  }

  private parseOne(): boolean {
    const view = new DataView(this.incoming.buffer, this.incoming.byteOffset);
    if (this.phase === 'greeting') return this.parseGreeting(view);
    if (this.phase === 'exportName') return this.parseExportName(view);
    return this.parseOptionReply(view);
  }

  private parseGreeting(view: DataView): boolean {
    if (view.byteLength < GREETING_BYTES) return false;
    const isNbd = view.getUint32(0) === NBDMAGIC_HIGH && view.getUint32(4) === NBDMAGIC_LOW;
    const isNew = view.getUint32(8) === IHAVEOPT_HIGH && view.getUint32(12) === IHAVEOPT_LOW;
    if (!isNbd || !isNew) throw new Error('the greeting is not that of a newstyle server');
    this.handshakeFlags = view.getUint16(16);
    this.drop(GREETING_BYTES);
    this.phase = this.exportNameIsNext ? 'exportName' : 'options';
    return true;
  }

  private parseExportName(view: DataView): boolean {
    const bytes = 10 + (this.noZeroes ? 0 : EXPORT_NAME_PADDING_BYTES);
    if (view.byteLength < bytes) return false;
    this.exportInfo = readExport(view, 0);
    this.drop(bytes);
    this.phase = 'transmission';
    return true;
  }

  private parseOptionReply(view: DataView): boolean {
    if (view.byteLength < OPTION_REPLY_HEADER_BYTES) return false;
    const magicIsRight =
      view.getUint32(0) === OPTION_REPLY_MAGIC_HIGH && view.getUint32(4) === OPTION_REPLY_MAGIC_LOW;
    if (!magicIsRight) throw new Error('an option reply has a wrong magic number');
    const end = OPTION_REPLY_HEADER_BYTES + view.getUint32(16);
    if (view.byteLength < end) return false;
    const option = view.getUint32(8);
    const type = view.getUint32(12);
    const data = this.incoming.slice(OPTION_REPLY_HEADER_BYTES, end);
    this.optionReplies.push({ option, type, data });
    if (type === OptionReply.INFO && view.getUint16(OPTION_REPLY_HEADER_BYTES) === 0) {
      this.exportInfo = readExport(view, OPTION_REPLY_HEADER_BYTES + 2);
    }
    this.drop(end);
    if (option === Option.GO && type === OptionReply.ACK) this.phase = 'transmission';
    return true;
  }

  private drop(count: number): void {
    this.incoming = this.incoming.slice(count);
  }
}

const NOTHING = new Uint8Array(0);

function readExport(view: DataView, at: number): ClientExport {
  const sizeBytes = view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
  return { sizeBytes, flags: view.getUint16(at + 8) };
}
