/**
 * Numbers of the NBD protocol, under the names that the protocol document gives them without their
 * `NBD_` prefix. All fields on the wire are big-endian. A 64-bit magic is a pair of 32-bit halves,
 * because nothing here uses BigInt.
 */

/** Handshake: "NBDMAGIC". NBD protocol, "Newstyle negotiation". */
export const NBDMAGIC_HIGH = 0x4e42444d;
export const NBDMAGIC_LOW = 0x41474943;
/** Handshake: "IHAVEOPT", in the greeting and before every option of the client. */
export const IHAVEOPT_HIGH = 0x49484156;
export const IHAVEOPT_LOW = 0x454f5054;
/** Before every option reply of the server. */
export const OPTION_REPLY_MAGIC_HIGH = 0x0003e889;
export const OPTION_REPLY_MAGIC_LOW = 0x045565a9;
/** Before every request of the transmission phase. */
export const REQUEST_MAGIC = 0x25609513;
/** Before every simple reply. */
export const SIMPLE_REPLY_MAGIC = 0x67446698;
/** Before every chunk of a structured reply. */
export const STRUCTURED_REPLY_MAGIC = 0x668e33ef;

/** Bytes of the server's greeting. */
export const GREETING_BYTES = 18;
/** Bytes of the client's flags, the answer to the greeting. */
export const CLIENT_FLAGS_BYTES = 4;
/** Bytes of an option before its data. */
export const OPTION_HEADER_BYTES = 16;
/** Bytes of an option reply before its data. */
export const OPTION_REPLY_HEADER_BYTES = 20;
/** Zeros that end the answer to OPT_EXPORT_NAME unless NO_ZEROES was agreed. */
export const EXPORT_NAME_PADDING_BYTES = 124;
/** Bytes of a request of the transmission phase before its payload. */
export const REQUEST_HEADER_BYTES = 28;
/** Bytes of a simple reply before its data. */
export const SIMPLE_REPLY_BYTES = 16;
/** Bytes of a structured reply chunk before its payload. */
export const CHUNK_HEADER_BYTES = 20;

/** Handshake flags of the server; the client's flags use the same bits. */
export const HandshakeFlag = {
  FIXED_NEWSTYLE: 0x1,
  NO_ZEROES: 0x2,
} as const;

/** Transmission flags: what an export can do. */
export const TransmissionFlag = {
  HAS_FLAGS: 0x1,
  READ_ONLY: 0x2,
  SEND_FLUSH: 0x4,
  SEND_FUA: 0x8,
  ROTATIONAL: 0x10,
  SEND_TRIM: 0x20,
  SEND_WRITE_ZEROES: 0x40,
  SEND_DF: 0x80,
  CAN_MULTI_CONN: 0x100,
  SEND_RESIZE: 0x200,
  SEND_CACHE: 0x400,
  SEND_FAST_ZERO: 0x800,
} as const;

/** Options of the client during the handshake. */
export const Option = {
  EXPORT_NAME: 1,
  ABORT: 2,
  LIST: 3,
  STARTTLS: 5,
  INFO: 6,
  GO: 7,
  STRUCTURED_REPLY: 8,
  LIST_META_CONTEXT: 9,
  SET_META_CONTEXT: 10,
  EXTENDED_HEADERS: 11,
} as const;

/** Types of an option reply. From 0x80000000 on they are errors and may carry text. */
export const OptionReply = {
  ACK: 1,
  SERVER: 2,
  INFO: 3,
  META_CONTEXT: 4,
  ERR_UNSUP: 0x80000001,
  ERR_POLICY: 0x80000002,
  ERR_INVALID: 0x80000003,
  ERR_PLATFORM: 0x80000004,
  ERR_TLS_REQD: 0x80000005,
  ERR_UNKNOWN: 0x80000006,
  ERR_SHUTDOWN: 0x80000007,
  ERR_BLOCK_SIZE_REQD: 0x80000008,
  ERR_TOO_BIG: 0x80000009,
  ERR_EXT_HEADER_REQD: 0x8000000a,
} as const;
export type OptionReply = (typeof OptionReply)[keyof typeof OptionReply];

/** Kinds of information about an export, in OPT_INFO and OPT_GO. */
export const InfoKind = {
  EXPORT: 0,
  NAME: 1,
  DESCRIPTION: 2,
  BLOCK_SIZE: 3,
} as const;

/** Requests of the transmission phase. */
export const Command = {
  READ: 0,
  WRITE: 1,
  DISC: 2,
  FLUSH: 3,
  TRIM: 4,
  CACHE: 5,
  WRITE_ZEROES: 6,
  BLOCK_STATUS: 7,
  RESIZE: 8,
} as const;

/** Flags of a request. */
export const CommandFlag = {
  FUA: 0x1,
  NO_HOLE: 0x2,
  DF: 0x4,
  REQ_ONE: 0x8,
  FAST_ZERO: 0x10,
  PAYLOAD_LEN: 0x20,
} as const;

/** Flag of a structured reply chunk: the last one of its reply. */
export const REPLY_FLAG_DONE = 1;

/** Types of a structured reply chunk. From 0x8000 on they are errors. */
export const ChunkType = {
  NONE: 0,
  OFFSET_DATA: 1,
  OFFSET_HOLE: 2,
  BLOCK_STATUS: 5,
  ERROR: 0x8001,
  ERROR_OFFSET: 0x8002,
} as const;

/** Errors that may stand in a reply. NBD protocol, "Error values". */
export const NbdErrno = {
  OK: 0,
  EPERM: 1,
  EIO: 5,
  ENOMEM: 12,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
  ENOTSUP: 95,
  ESHUTDOWN: 108,
} as const;
export type NbdErrno = (typeof NbdErrno)[keyof typeof NbdErrno];

/** Largest READ and WRITE in bytes; what a client may assume when nothing else was said. */
export const MAX_REQUEST_BYTES: number = 32 * 1024 * 1024;
/** Longest export name, description or query in bytes. NBD protocol, "Values". */
export const MAX_STRING_BYTES = 4096;
/** The metadata context that says which parts of an export are allocated. */
export const BASE_ALLOCATION = 'base:allocation';
