import type { NbdExport } from '../export-table.ts';
import { Command, CommandFlag, NbdErrno, TransmissionFlag } from '../wire/constants.ts';
import type { RequestHeader } from '../wire/request.ts';
import type { SessionFeatures } from './session-features.ts';

/** Why a request is refused. */
export interface RequestFault {
  readonly errno: NbdErrno;
  readonly text: string;
}

/** What a request is checked against; constant for a connection. */
export interface RequestRules {
  readonly nbdExport: NbdExport;
  readonly features: SessionFeatures;
  /** Largest READ and WRITE. */
  readonly maxRequestBytes: number;
  /** Largest READ that can be answered in one piece. */
  readonly maxWholeReadBytes: number;
}

const UNKNOWN_COMMAND = fault(NbdErrno.EINVAL, 'this command is not supported');
const UNKNOWN_FLAG = fault(NbdErrno.EINVAL, 'this command does not take these flags');
const NOT_EMPTY = fault(NbdErrno.EINVAL, 'a flush has neither offset nor length');
const READ_ONLY = fault(NbdErrno.EPERM, 'the export is read-only');
const OUTSIDE = fault(NbdErrno.EINVAL, 'the request lies outside the export');
const NO_SPACE = fault(NbdErrno.ENOSPC, 'the request lies outside the export');
const UNALIGNED = fault(NbdErrno.EINVAL, 'the request is not aligned to the minimum block size');
const EMPTY_STATUS = fault(NbdErrno.EINVAL, 'a block status needs a length');
const LONG_READ = fault(NbdErrno.EOVERFLOW, 'the read is longer than the maximum block size');
const LONG_WRITE = fault(NbdErrno.EINVAL, 'the write is longer than the maximum block size');
const LONG_WHOLE = fault(NbdErrno.EOVERFLOW, 'the read is too long for a reply in one piece');
const NOT_FAST = fault(NbdErrno.ENOTSUP, 'zeroing is not faster than writing');

/**
 * Judges a request by its header; undefined if it may be carried out. What is wrong with the command
 * itself comes before what is wrong with its range. NBD protocol, "Request types" and "Error
 * values".
 */
export function checkRequest(header: RequestHeader, rules: RequestRules): RequestFault | undefined {
  const allowed = allowedFlags(header.type, rules);
  if (allowed < 0) return UNKNOWN_COMMAND;
  if ((header.flags & ~allowed) !== 0) return UNKNOWN_FLAG;
  if (header.type === Command.FLUSH) return checkFlush(header);
  const isWriting = changesData(header.type);
  if (isWriting && rules.nbdExport.backend.readOnly) return READ_ONLY;
  return checkRange(header, rules) ?? checkLength(header, rules);
}

/** Flags that a command may carry, or -1 for a command that is not offered. */
function allowedFlags(type: number, rules: RequestRules): number {
  const { structuredReplies, baseAllocation, transmissionFlags } = rules.features;
  switch (type) {
    case Command.READ:
      return CommandFlag.FUA | (structuredReplies ? CommandFlag.DF : 0);
    case Command.WRITE:
    case Command.FLUSH:
      return CommandFlag.FUA;
    case Command.TRIM:
      return offersTrim(transmissionFlags) ? CommandFlag.FUA : -1;
    case Command.WRITE_ZEROES:
      return CommandFlag.FUA | CommandFlag.NO_HOLE | CommandFlag.FAST_ZERO;
    case Command.BLOCK_STATUS:
      return baseAllocation ? CommandFlag.FUA | CommandFlag.REQ_ONE : -1;
    default:
      return -1;
  }
}

/** On a read-only export TRIM is known too, so that it gets the answer of a read-only export. */
function offersTrim(transmissionFlags: number): boolean {
  return (transmissionFlags & (TransmissionFlag.SEND_TRIM | TransmissionFlag.READ_ONLY)) !== 0;
}

function changesData(type: number): boolean {
  return type === Command.WRITE || type === Command.TRIM || type === Command.WRITE_ZEROES;
}

function checkFlush(header: RequestHeader): RequestFault | undefined {
  const isEmpty = (header.offsetHigh | header.offsetLow | header.length) === 0;
  return isEmpty ? undefined : NOT_EMPTY;
}

function checkRange(header: RequestHeader, rules: RequestRules): RequestFault | undefined {
  const { sizeBytes, minimumBlockBytes } = rules.nbdExport.backend;
  // An offset that a number cannot hold exactly is at least 2^53 and so beyond any device.
  const offset = header.offset;
  if (offset > sizeBytes || header.length > sizeBytes - offset) {
    const isGrowing = header.type === Command.WRITE || header.type === Command.WRITE_ZEROES;
    return isGrowing ? NO_SPACE : OUTSIDE;
  }
  const mask = minimumBlockBytes - 1;
  return ((header.offsetLow | header.length) & mask) === 0 ? undefined : UNALIGNED;
}

function checkLength(header: RequestHeader, rules: RequestRules): RequestFault | undefined {
  switch (header.type) {
    case Command.READ:
      if (header.length > rules.maxRequestBytes) return LONG_READ;
      if ((header.flags & CommandFlag.DF) === 0) return undefined;
      return header.length > rules.maxWholeReadBytes ? LONG_WHOLE : undefined;
    case Command.WRITE:
      return header.length > rules.maxRequestBytes ? LONG_WRITE : undefined;
    case Command.WRITE_ZEROES:
      return (header.flags & CommandFlag.FAST_ZERO) === 0 ? undefined : NOT_FAST;
    case Command.BLOCK_STATUS:
      return header.length === 0 ? EMPTY_STATUS : undefined;
    default:
      return undefined;
  }
}

function fault(errno: NbdErrno, text: string): RequestFault {
  return { errno, text };
}
