export { AssertionError } from './assert.ts';
export { BlockCommand, BlockRequest } from './block-backend.ts';
export type { BlockBackend, RequestBuffer } from './block-backend.ts';
export { ExportTable, NbdExport } from './export-table.ts';
export type { ExportDefinition } from './export-table.ts';
export { createOutputWindows } from './session/connection-host.ts';
export type { CloseReason, ConnectionHost, OutputWindow } from './session/connection-host.ts';
export { DEFAULT_LIMITS, HANDSHAKE_TIME_LIMIT_MS } from './session/connection-limits.ts';
export type { ConnectionLimits } from './session/connection-limits.ts';
export { CONNECTION_TRANSITIONS } from './session/connection-state.ts';
export type { ConnectionEvent, ConnectionState } from './session/connection-state.ts';
export { NbdConnection } from './session/nbd-connection.ts';
export type {
  FixedOptions,
  NbdConnectionOptions,
  NegotiatedOptions,
} from './session/nbd-connection.ts';
export {
  ChunkType,
  Command,
  CommandFlag,
  HandshakeFlag,
  InfoKind,
  MAX_REQUEST_BYTES,
  NbdErrno,
  Option,
  OptionReply,
  TransmissionFlag,
} from './wire/constants.ts';
