import type { ExportTable, NbdExport } from '../export-table.ts';
import type { ByteBuilder } from '../wire/byte-builder.ts';
import {
  BASE_ALLOCATION,
  HandshakeFlag,
  InfoKind,
  MAX_STRING_BYTES,
  Option,
  OptionReply,
  TransmissionFlag,
} from '../wire/constants.ts';
import {
  type ByteRange,
  readInfoQuery,
  readMetaQuery,
  writeExportNameAnswer,
  writeInfoBlockSize,
  writeInfoExport,
  writeInfoString,
  writeMetaContextReply,
  writeOptionError,
  writeOptionReply,
  writeServerReply,
} from '../wire/option.ts';
import { encodeUtf8, printableBytes } from '../wire/text.ts';
import type { CloseReason } from './connection-host.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import { BASE_ALLOCATION_ID, type SessionFeatures } from './session-features.ts';

/** How a handshake ended. */
export type HandshakeEnd =
  | { readonly kind: 'chosen'; readonly nbdExport: NbdExport; readonly features: SessionFeatures }
  | { readonly kind: 'aborted' }
  | { readonly kind: HandshakeFailure; readonly text: string };

/** Ends of a handshake for which there is no reply. */
export type HandshakeFailure = CloseReason &
  ('protocolViolation' | 'exportUnknown' | 'limitExceeded');

/**
 * - `off`: the server has no certificate.
 * - `required`: nothing but STARTTLS and ABORT is heard in plain.
 * - `starting`: the server has agreed; not a byte of the client is looked at before TLS is there.
 * - `on`: what is negotiated comes through TLS.
 */
export type TlsState = 'off' | 'required' | 'starting' | 'on';

/** What has been negotiated so far, and where replies go. */
export interface Negotiation {
  readonly exports: ExportTable;
  readonly limits: ConnectionLimits;
  readonly out: ByteBuilder;
  /** Handshake flags that the client sent. */
  clientFlags: number;
  structuredReplies: boolean;
  tls: TlsState;
  /** Name of the export for which base:allocation was selected, as the client wrote it. */
  contextName: Uint8Array | undefined;
  end: HandshakeEnd | undefined;
}

/** Answers one option. `data` is valid during the call only. */
export type OptionHandler = (negotiation: Negotiation, option: number, data: Uint8Array) => void;

/** Every option that is understood; all others are answered by ERR_UNSUP. */
export const OPTION_HANDLERS: Readonly<Record<number, OptionHandler>> = {
  [Option.EXPORT_NAME]: answerExportName,
  [Option.ABORT]: answerAbort,
  [Option.LIST]: answerList,
  [Option.STARTTLS]: answerStartTls,
  [Option.INFO]: answerInfo,
  [Option.GO]: answerInfo,
  [Option.STRUCTURED_REPLY]: answerStructuredReply,
  [Option.LIST_META_CONTEXT]: answerListMetaContext,
  [Option.SET_META_CONTEXT]: answerSetMetaContext,
};

/** Answers an option that is not in the table. */
export function answerUnsupported(negotiation: Negotiation, option: number): void {
  writeOptionError(negotiation.out, option, OptionReply.ERR_UNSUP, 'this option is not supported');
}

/** Answers what must not be asked in plain. */
export function answerTlsRequired(negotiation: Negotiation, option: number): void {
  const text = 'this server talks about its exports through TLS only';
  writeOptionError(negotiation.out, option, OptionReply.ERR_TLS_REQD, text);
}

function answerExportName(negotiation: Negotiation, _option: number, data: Uint8Array): void {
  const found =
    data.length > MAX_STRING_BYTES ? undefined : negotiation.exports.find(data, 0, data.length);
  if (found === undefined) {
    const text = unknownExportText(data, { start: 0, end: data.length });
    negotiation.end = { kind: 'exportUnknown', text };
    return;
  }
  const features = featuresFor(negotiation, found, data);
  const noZeroes = (negotiation.clientFlags & HandshakeFlag.NO_ZEROES) !== 0;
  const sizeBytes = found.backend.sizeBytes;
  writeExportNameAnswer(negotiation.out, sizeBytes, features.transmissionFlags, noZeroes);
  negotiation.end = { kind: 'chosen', nbdExport: found, features };
}

function answerAbort(negotiation: Negotiation, option: number): void {
  acknowledge(negotiation, option);
  negotiation.end = { kind: 'aborted' };
}

function answerList(negotiation: Negotiation, option: number, data: Uint8Array): void {
  if (refuseData(negotiation, option, data)) return;
  for (const entry of negotiation.exports.entries) {
    writeServerReply(negotiation.out, option, entry.nameBytes, entry.descriptionBytes);
  }
  acknowledge(negotiation, option);
}

function answerStartTls(negotiation: Negotiation, option: number, data: Uint8Array): void {
  if (refuseData(negotiation, option, data)) return;
  switch (negotiation.tls) {
    case 'off':
      writeOptionError(negotiation.out, option, OptionReply.ERR_UNSUP, 'TLS is not supported');
      break;
    case 'required':
      // Nothing has been negotiated before, so there is nothing to forget.
      acknowledge(negotiation, option);
      negotiation.tls = 'starting';
      break;
    default:
      invalid(negotiation, option, 'TLS has been started already');
  }
}

function answerStructuredReply(negotiation: Negotiation, option: number, data: Uint8Array): void {
  if (refuseData(negotiation, option, data)) return;
  if (negotiation.structuredReplies) {
    invalid(negotiation, option, 'structured replies have been negotiated already');
    return;
  }
  negotiation.structuredReplies = true;
  acknowledge(negotiation, option);
}

function answerInfo(negotiation: Negotiation, option: number, data: Uint8Array): void {
  const query = readInfoQuery(data);
  if (query === undefined) {
    invalid(negotiation, option, 'the data of this option is malformed');
    return;
  }
  const found = findOrRefuse(negotiation, option, data, query.name);
  if (found === undefined) return;
  const name = data.subarray(query.name.start, query.name.end);
  const features = featuresFor(negotiation, found, name);
  const { out } = negotiation;
  writeInfoExport(out, option, found.backend.sizeBytes, features.transmissionFlags);
  if (query.kinds.includes(InfoKind.NAME)) {
    writeInfoString(out, option, InfoKind.NAME, found.nameBytes);
  }
  if (query.kinds.includes(InfoKind.DESCRIPTION) && found.descriptionBytes.length > 0) {
    writeInfoString(out, option, InfoKind.DESCRIPTION, found.descriptionBytes);
  }
  writeBlockSizes(negotiation, option, found, query.kinds.includes(InfoKind.BLOCK_SIZE));
  acknowledge(negotiation, option);
  if (option === Option.GO) negotiation.end = { kind: 'chosen', nbdExport: found, features };
}

/** A client that did not ask must still hear of a granularity that it cannot guess. */
function writeBlockSizes(
  negotiation: Negotiation,
  option: number,
  found: NbdExport,
  wasAsked: boolean,
): void {
  const { minimumBlockBytes: minimum, preferredBlockBytes: preferred } = found.backend;
  if (!wasAsked && minimum === 1) return;
  const maximum = negotiation.limits.maxRequestBytes;
  writeInfoBlockSize(negotiation.out, option, {
    minimum,
    preferred: Math.min(preferred, maximum),
    maximum,
  });
}

function answerListMetaContext(negotiation: Negotiation, option: number, data: Uint8Array): void {
  const query = readMetaQuery(data);
  if (query === undefined) {
    invalid(negotiation, option, 'the data of this option is malformed');
    return;
  }
  if (findOrRefuse(negotiation, option, data, query.name) === undefined) return;
  const matches = (range: ByteRange): boolean =>
    equalsText(data, range, BASE_ALLOCATION) || equalsText(data, range, 'base:');
  if (query.queries.length === 0 || query.queries.some(matches)) {
    writeMetaContextReply(negotiation.out, option, 0, BASE_ALLOCATION);
  }
  acknowledge(negotiation, option);
}

function answerSetMetaContext(negotiation: Negotiation, option: number, data: Uint8Array): void {
  // Whatever comes of this call, the selection of an earlier one is void.
  negotiation.contextName = undefined;
  const query = readMetaQuery(data);
  if (query === undefined) {
    invalid(negotiation, option, 'the data of this option is malformed');
    return;
  }
  if (!negotiation.structuredReplies) {
    invalid(negotiation, option, 'metadata contexts need structured replies');
    return;
  }
  if (findOrRefuse(negotiation, option, data, query.name) === undefined) return;
  if (query.queries.some((range) => equalsText(data, range, BASE_ALLOCATION))) {
    negotiation.contextName = data.slice(query.name.start, query.name.end);
    writeMetaContextReply(negotiation.out, option, BASE_ALLOCATION_ID, BASE_ALLOCATION);
  }
  acknowledge(negotiation, option);
}

function featuresFor(
  negotiation: Negotiation,
  nbdExport: NbdExport,
  askedName: Uint8Array,
): SessionFeatures {
  const { structuredReplies, contextName } = negotiation;
  return {
    structuredReplies,
    baseAllocation: contextName !== undefined && equalBytes(contextName, askedName),
    transmissionFlags: nbdExport.flags | (structuredReplies ? TransmissionFlag.SEND_DF : 0),
  };
}

function findOrRefuse(
  negotiation: Negotiation,
  option: number,
  data: Uint8Array,
  name: ByteRange,
): NbdExport | undefined {
  const found = negotiation.exports.find(data, name.start, name.end);
  if (found === undefined) {
    const text = unknownExportText(data, name);
    writeOptionError(negotiation.out, option, OptionReply.ERR_UNKNOWN, text);
  }
  return found;
}

function unknownExportText(data: Uint8Array, name: ByteRange): string {
  return `there is no export "${printableBytes(data, name.start, name.end, 64)}"`;
}

function refuseData(negotiation: Negotiation, option: number, data: Uint8Array): boolean {
  if (data.length === 0) return false;
  invalid(negotiation, option, 'this option carries no data');
  return true;
}

function invalid(negotiation: Negotiation, option: number, text: string): void {
  writeOptionError(negotiation.out, option, OptionReply.ERR_INVALID, text);
}

function acknowledge(negotiation: Negotiation, option: number): void {
  writeOptionReply(negotiation.out, option, OptionReply.ACK, 0);
}

function equalsText(data: Uint8Array, range: ByteRange, text: string): boolean {
  return equalBytes(data.subarray(range.start, range.end), encodeUtf8(text));
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
