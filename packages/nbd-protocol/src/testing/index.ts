export { describeBlockBackend } from './block-backend-contract.ts';
export type { BlockBackendFixture } from './block-backend-contract.ts';
export { MemoryBlockBackend } from './memory-block-backend.ts';
export type {
  InjectedFailure,
  MemoryBlockBackendOptions,
  SubmittedRequest,
} from './memory-block-backend.ts';
export { MemoryLink } from './memory-link.ts';
export type { MemoryLinkOptions } from './memory-link.ts';
export { NbdTestClient } from './nbd-client.ts';
export type { ClientExport, ClientOptionReply, ClientRequest } from './nbd-client.ts';
export type { ClientChunk, ClientReply } from './reply-reader.ts';
