/**
 * Preloaded into a program under observation (`node --expose-gc --import`): says over its channel how
 * much memory is in use after a full collection. It keeps nothing alive and does nothing unasked.
 */
process.on('message', (/** @type {{ id: number, ask: string }} */ { id, ask }) => {
  if (ask !== 'memory') return;
  globalThis.gc?.();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  process.send?.({ id, heapUsed, external, arrayBuffers });
});
process.channel?.unref();
