/**
 * Loaded into a program by `--import`: tells, when asked by a message, how many bytes its heap holds
 * after everything that nobody refers to was collected. Needs `--expose-gc`.
 */
process.on('message', (message) => {
  if (message !== 'heap') return;
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  process.send?.({ heapUsed: process.memoryUsage().heapUsed });
});
// The channel keeps nobody alive.
process.channel?.unref();
