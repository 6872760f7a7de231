/**
 * OmniXtend: TileLink over Ethernet. Codec, link engine, TileLink initiator and responder, and the
 * pump that runs them. Pure: no IO, no clock, no randomness, no dependency.
 */
export * from './add-counters.ts';
export * from './assert.ts';
export * from './block-copier.ts';
export * from './byte-region.ts';
export * from './copy-bytes.ts';
export * from './host/index.ts';
export * from './latency-histogram.ts';
export * from './link/index.ts';
export * from './remote-address.ts';
export * from './text/index.ts';
export * from './tilelink/index.ts';
export * from './units.ts';
export * from './wire/index.ts';
