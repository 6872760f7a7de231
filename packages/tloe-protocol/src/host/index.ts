/**
 * L4: runs the engine over injected ports: a transport for frames and a clock. Still no IO of its
 * own.
 */
export * from './capturing-transport.ts';
export * from './clock.ts';
export * from './frame-transport.ts';
export * from './host-stats.ts';
export * from './link-host.ts';
export * from './memory-calls.ts';
export * from './remote-memory.ts';
