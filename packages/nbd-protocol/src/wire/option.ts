import type { ByteBuilder } from './byte-builder.ts';
import {
  EXPORT_NAME_PADDING_BYTES,
  HandshakeFlag,
  IHAVEOPT_HIGH,
  IHAVEOPT_LOW,
  InfoKind,
  MAX_STRING_BYTES,
  NBDMAGIC_HIGH,
  NBDMAGIC_LOW,
  OPTION_HEADER_BYTES,
  OPTION_REPLY_MAGIC_HIGH,
  OPTION_REPLY_MAGIC_LOW,
  OptionReply,
} from './constants.ts';
import { encodeUtf8, printableText } from './text.ts';

/** Appends the 18 bytes with which a server begins. NBD protocol, "Newstyle negotiation". */
export function writeGreeting(out: ByteBuilder): void {
  out.uint32(NBDMAGIC_HIGH).uint32(NBDMAGIC_LOW).uint32(IHAVEOPT_HIGH).uint32(IHAVEOPT_LOW);
  out.uint16(HandshakeFlag.FIXED_NEWSTYLE | HandshakeFlag.NO_ZEROES);
}

/** Appends an option reply's header; `dataBytes` bytes of data must follow. */
export function writeOptionReply(
  out: ByteBuilder,
  option: number,
  type: OptionReply,
  dataBytes: number,
): void {
  out.uint32(OPTION_REPLY_MAGIC_HIGH).uint32(OPTION_REPLY_MAGIC_LOW);
  out.uint32(option).uint32(type).uint32(dataBytes);
}

/** Appends an error reply with a text for the client's user. */
export function writeOptionError(
  out: ByteBuilder,
  option: number,
  error: OptionReply,
  text: string,
): void {
  const bytes = encodeUtf8(printableText(text));
  writeOptionReply(out, option, error, bytes.length);
  out.raw(bytes);
}

/** Appends REP_SERVER: one export of a listing. */
export function writeServerReply(
  out: ByteBuilder,
  option: number,
  name: Uint8Array,
  description: Uint8Array,
): void {
  writeOptionReply(out, option, OptionReply.SERVER, 4 + name.length + description.length);
  out.uint32(name.length).raw(name).raw(description);
}

/** Appends REP_META_CONTEXT. */
export function writeMetaContextReply(
  out: ByteBuilder,
  option: number,
  contextId: number,
  name: string,
): void {
  const bytes = encodeUtf8(name);
  writeOptionReply(out, option, OptionReply.META_CONTEXT, 4 + bytes.length);
  out.uint32(contextId).raw(bytes);
}

/** Appends REP_INFO with INFO_EXPORT. */
export function writeInfoExport(
  out: ByteBuilder,
  option: number,
  sizeBytes: number,
  flags: number,
): void {
  writeOptionReply(out, option, OptionReply.INFO, 12);
  out.uint16(InfoKind.EXPORT).uint64(sizeBytes).uint16(flags);
}

/** Appends REP_INFO with INFO_NAME or INFO_DESCRIPTION. */
export function writeInfoString(
  out: ByteBuilder,
  option: number,
  kind: number,
  text: Uint8Array,
): void {
  writeOptionReply(out, option, OptionReply.INFO, 2 + text.length);
  out.uint16(kind).raw(text);
}

/** What INFO_BLOCK_SIZE says, in bytes. */
export interface BlockSizes {
  readonly minimum: number;
  readonly preferred: number;
  /** A multiple of the minimum. */
  readonly maximum: number;
}

/** Appends REP_INFO with INFO_BLOCK_SIZE. */
export function writeInfoBlockSize(out: ByteBuilder, option: number, sizes: BlockSizes): void {
  writeOptionReply(out, option, OptionReply.INFO, 14);
  out.uint16(InfoKind.BLOCK_SIZE);
  out.uint32(sizes.minimum).uint32(sizes.preferred).uint32(sizes.maximum);
}

/** Appends the answer to OPT_EXPORT_NAME, which has no option reply header. */
export function writeExportNameAnswer(
  out: ByteBuilder,
  sizeBytes: number,
  flags: number,
  noZeroes: boolean,
): void {
  out.uint64(sizeBytes).uint16(flags);
  if (!noZeroes) out.zeros(EXPORT_NAME_PADDING_BYTES);
}

/** An option of the client before its data. */
export interface OptionHeader {
  readonly option: number;
  readonly dataBytes: number;
}

/** Reads the 16 bytes before an option's data; undefined if they do not begin with IHAVEOPT. */
export function readOptionHeader(bytes: Uint8Array): OptionHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, OPTION_HEADER_BYTES);
  if (view.getUint32(0) !== IHAVEOPT_HIGH || view.getUint32(4) !== IHAVEOPT_LOW) return undefined;
  return { option: view.getUint32(8), dataBytes: view.getUint32(12) };
}

/** Bytes `start .. end - 1` of an option's data. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Data of OPT_INFO and OPT_GO. */
export interface InfoQuery {
  readonly name: ByteRange;
  /** Kinds of information asked for, as they came. */
  readonly kinds: readonly number[];
}

/**
 * Reads name length (4), name, count (2), count x kind (2); undefined if the lengths do not come out
 * exactly or the name is longer than 4096 bytes or has a NUL.
 */
export function readInfoQuery(data: Uint8Array): InfoQuery | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const name = readString(view, 0);
  if (name === undefined || data.length < name.end + 2) return undefined;
  const count = view.getUint16(name.end);
  if (data.length !== name.end + 2 + 2 * count) return undefined;
  const kinds: number[] = [];
  for (let i = 0; i < count; i++) kinds.push(view.getUint16(name.end + 2 + 2 * i));
  return { name, kinds };
}

/** Data of OPT_LIST_META_CONTEXT and OPT_SET_META_CONTEXT. */
export interface MetaQuery {
  readonly name: ByteRange;
  readonly queries: readonly ByteRange[];
}

/**
 * Reads name length (4), name, count (4), count x { length (4), text }; undefined if the lengths do
 * not come out exactly or a string is longer than 4096 bytes or the name has a NUL.
 */
export function readMetaQuery(data: Uint8Array): MetaQuery | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const name = readString(view, 0);
  if (name === undefined || data.length < name.end + 4) return undefined;
  const count = view.getUint32(name.end);
  const queries: ByteRange[] = [];
  let at = name.end + 4;
  // The count is the client's word; the bytes that are there bound the loop.
  for (let i = 0; i < count; i++) {
    const query = readString(view, at);
    if (query === undefined) return undefined;
    queries.push(query);
    at = query.end;
  }
  return at === data.length ? { name, queries } : undefined;
}

function readString(view: DataView, at: number): ByteRange | undefined {
  if (view.byteLength < at + 4) return undefined;
  const length = view.getUint32(at);
  const start = at + 4;
  if (length > MAX_STRING_BYTES || length > view.byteLength - start) return undefined;
  for (let i = start; i < start + length; i++) if (view.getUint8(i) === 0) return undefined;
  return { start, end: start + length };
}
