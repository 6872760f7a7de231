/**
 * L3: TileLink operations over a link. The initiator reads and writes ranges of remote memory; the
 * responder serves them. Sans-IO, and without a thought about frames.
 */
export * from './data-order.ts';
export * from './initiator.ts';
export * from './initiator-stats.ts';
export * from './memory-backend.ts';
export * from './memory-request.ts';
export * from './reissue-policy.ts';
export * from './responder.ts';
export * from './responder-stats.ts';
export * from './split.ts';
