import type { ExportTable } from '../export-table.ts';
import { ByteBuilder } from '../wire/byte-builder.ts';
import {
  CLIENT_FLAGS_BYTES,
  HandshakeFlag,
  MAX_STRING_BYTES,
  OPTION_HEADER_BYTES,
  Option,
  OptionReply,
} from '../wire/constants.ts';
import { readOptionHeader, writeGreeting, writeOptionError } from '../wire/option.ts';
import type { OutputWindow } from './connection-host.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import {
  type HandshakeEnd,
  type HandshakeFailure,
  type Negotiation,
  OPTION_HANDLERS,
  answerTlsRequired,
  answerUnsupported,
} from './option-handlers.ts';

export type { HandshakeEnd } from './option-handlers.ts';

/** Replies that may wait to be sent before no further option is looked at. */
const OUTPUT_FULL_BYTES = 64 * 1024;
const NO_BYTES = new Uint8Array(0);
const KNOWN_CLIENT_FLAGS = HandshakeFlag.FIXED_NEWSTYLE | HandshakeFlag.NO_ZEROES;

type Phase = 'clientFlags' | 'optionHeader' | 'optionData' | 'optionDiscard';

/**
 * The newstyle fixed negotiation, seen from the server: client's flags, then options one by one
 * until GO or EXPORT_NAME chooses an export. Takes a byte stream that may be cut anywhere.
 *
 * Memory grows only with bytes that have really arrived, and only to the largest option allowed: a
 * client that announces much and sends nothing costs nothing. NBD protocol, "Newstyle negotiation".
 */
export class Handshake {
  private readonly negotiation: Negotiation;
  private readonly out: ByteBuilder = new ByteBuilder(256);
  private sentBytes = 0;

  private phase: Phase = 'clientFlags';
  /** Bytes of the item being collected. */
  private item: Uint8Array = new Uint8Array(64);
  private itemBytes = 0;
  /** Bytes that the item will have, or that are still to be thrown away. */
  private wantedBytes: number = CLIENT_FLAGS_BYTES;

  private option = 0;
  private optionCount = 0;
  private takenBytes = 0;

  /** @param tls  whether clients must start TLS before anything else; else they cannot */
  constructor(exports: ExportTable, limits: ConnectionLimits, tls: boolean) {
    this.negotiation = {
      exports,
      limits,
      out: this.out,
      clientFlags: 0,
      structuredReplies: false,
      tls: tls ? 'required' : 'off',
      contextName: undefined,
      end: undefined,
    };
    writeGreeting(this.out);
  }

  /** How it ended; undefined while it goes on. */
  get end(): HandshakeEnd | undefined {
    return this.negotiation.end;
  }

  get wantsInput(): boolean {
    if (this.end !== undefined || this.negotiation.tls === 'starting') return false;
    return this.out.length - this.sentBytes < OUTPUT_FULL_BYTES;
  }

  /** Whether the client has been told in full that TLS begins now. */
  get isTlsDue(): boolean {
    return this.end === undefined && this.negotiation.tls === 'starting' && !this.hasOutput;
  }

  /** All further bytes come through TLS. */
  tlsStarted(): void {
    this.negotiation.tls = 'on';
  }

  get hasOutput(): boolean {
    return this.sentBytes < this.out.length;
  }

  /** Takes bytes until the handshake ends or too many replies are waiting; returns how many. */
  receive(bytes: Uint8Array, offset: number, length: number): number {
    const stop = offset + length;
    let at = offset;
    while (at < stop && this.wantsInput) {
      const count = Math.min(stop - at, this.missingBytes());
      if (this.phase === 'optionDiscard') this.wantedBytes -= count;
      else this.collect(bytes, at, count);
      at += count;
      this.takenBytes += count;
      if (this.missingBytes() === 0) this.finishItem();
    }
    if (this.negotiation.tls === 'starting' && at < stop) {
      // Whoever could slip them in would speak in the client's name.
      this.fail('protocolViolation', 'the client sent more in plain after STARTTLS');
    }
    if (this.end !== undefined) this.item = NO_BYTES;
    return at - offset;
  }

  /** As `NbdConnection.gatherOutput`; needs one window. */
  gather(windows: readonly OutputWindow[], max: number): number {
    const window = windows[0];
    if (!this.hasOutput || window === undefined || max < 1) return 0;
    window.bytes = this.out.bytes;
    window.offset = this.sentBytes;
    window.length = this.out.length - this.sentBytes;
    return 1;
  }

  /** Returns how many of the bytes written belonged to the handshake. */
  written(byteCount: number): number {
    const own = Math.min(byteCount, this.out.length - this.sentBytes);
    this.sentBytes += own;
    if (this.sentBytes === this.out.length) {
      this.sentBytes = 0;
      this.out.length = 0;
    }
    return own;
  }

  private missingBytes(): number {
    return this.phase === 'optionDiscard' ? this.wantedBytes : this.wantedBytes - this.itemBytes;
  }

  private collect(bytes: Uint8Array, at: number, count: number): void {
    const needed = this.itemBytes + count;
    if (needed > this.item.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.item.length));
      grown.set(this.item.subarray(0, this.itemBytes));
      this.item = grown;
    }
    this.item.set(bytes.subarray(at, at + count), this.itemBytes);
    this.itemBytes = needed;
  }

  private finishItem(): void {
    switch (this.phase) {
      case 'clientFlags':
        this.takeClientFlags();
        break;
      case 'optionHeader':
        this.takeOptionHeader();
        break;
      case 'optionData':
        this.takeOptionData();
        break;
      case 'optionDiscard':
        this.refuseLongOption();
        break;
    }
  }

  private takeClientFlags(): void {
    const view = new DataView(this.item.buffer, 0, CLIENT_FLAGS_BYTES);
    const flags = view.getUint32(0);
    if ((flags & ~KNOWN_CLIENT_FLAGS) !== 0) {
      this.fail('protocolViolation', 'the client set a handshake flag that was not offered');
      return;
    }
    this.negotiation.clientFlags = flags;
    this.expect('optionHeader', OPTION_HEADER_BYTES);
  }

  private takeOptionHeader(): void {
    const header = readOptionHeader(this.item);
    if (header === undefined) {
      this.fail('protocolViolation', 'an option does not begin with IHAVEOPT');
      return;
    }
    this.option = header.option;
    this.optionCount++;
    if (this.refusesOption(header.dataBytes)) return;
    if (header.dataBytes > this.negotiation.limits.optionDataBytes) {
      this.expect('optionDiscard', header.dataBytes);
    } else {
      this.expect('optionData', header.dataBytes);
      if (header.dataBytes === 0) this.takeOptionData();
    }
  }

  /** Checks what leaves no choice but to close. */
  private refusesOption(dataBytes: number): boolean {
    const { limits, clientFlags } = this.negotiation;
    const isFixed = (clientFlags & HandshakeFlag.FIXED_NEWSTYLE) !== 0;
    if (this.optionCount > limits.options) {
      this.fail('limitExceeded', `the client sent more than ${limits.options} options`);
    } else if (dataBytes > limits.handshakeBytes - this.takenBytes) {
      this.fail('limitExceeded', `the handshake is longer than ${limits.handshakeBytes} bytes`);
    } else if (!isFixed && this.option !== Option.EXPORT_NAME) {
      this.fail('protocolViolation', 'a client without FIXED_NEWSTYLE may only send EXPORT_NAME');
    } else if (this.option === Option.EXPORT_NAME && this.needsTls()) {
      this.fail('protocolViolation', 'the client asked for an export without TLS');
    } else if (this.option === Option.EXPORT_NAME && dataBytes > MAX_STRING_BYTES) {
      this.fail('protocolViolation', 'an export name is longer than 4096 bytes');
    }
    return this.end !== undefined;
  }

  private takeOptionData(): void {
    const data = this.item.subarray(0, this.itemBytes);
    const known = OPTION_HANDLERS[this.option] ?? answerUnsupported;
    const handler = this.needsTls() ? answerTlsRequired : known;
    handler(this.negotiation, this.option, data);
    this.expect('optionHeader', OPTION_HEADER_BYTES);
  }

  private refuseLongOption(): void {
    const { optionDataBytes } = this.negotiation.limits;
    const text = `the data of this option is longer than ${optionDataBytes} bytes`;
    if (this.needsTls()) {
      answerTlsRequired(this.negotiation, this.option);
    } else if (this.option in OPTION_HANDLERS) {
      writeOptionError(this.out, this.option, OptionReply.ERR_TOO_BIG, text);
      this.forgetSelection();
    } else {
      answerUnsupported(this.negotiation, this.option);
    }
    this.expect('optionHeader', OPTION_HEADER_BYTES);
  }

  private needsTls(): boolean {
    if (this.negotiation.tls !== 'required') return false;
    return this.option !== Option.STARTTLS && this.option !== Option.ABORT;
  }

  /** A failed SET_META_CONTEXT voids the former selection, however it failed. */
  private forgetSelection(): void {
    if (this.option === Option.SET_META_CONTEXT) this.negotiation.contextName = undefined;
  }

  private expect(phase: Phase, wantedBytes: number): void {
    this.phase = phase;
    this.wantedBytes = wantedBytes;
    this.itemBytes = 0;
  }

  private fail(kind: HandshakeFailure, text: string): void {
    this.negotiation.end = { kind, text };
  }
}
