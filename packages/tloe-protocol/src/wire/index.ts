/**
 * L1: bytes ⇔ values. TLoE frames and TileLink messages as they stand on the wire.
 * Nothing here keeps state about a connection, and nothing throws because of what was received.
 */
export * from './channel.ts';
export * from './ethernet.ts';
export * from './frame-dump.ts';
export * from './frame-view.ts';
export * from './frame-writer.ts';
export * from './pcap.ts';
export * from './plain-frame.ts';
export * from './reject-reason.ts';
export * from './tilelink-message.ts';
export * from './tloe-header.ts';
