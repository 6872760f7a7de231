/**
 * The endpoint of a long run: the one of `oxmem-sim-endpoint`, its memory in a file, its faults and
 * counters on the channel to the process that started it. One argument, JSON.
 */
import { FaultControl, FileMemory, startEndpoint } from '@oxmem/sim-endpoint';

/** @typedef {{ interfaceName: string, sizeBytes: number, backing: string, seed: number }} Settings */

/** @type {Settings} */
const { interfaceName, sizeBytes, backing, seed } = JSON.parse(process.argv[2] ?? '');
const faultControl = new FaultControl();
const memory = FileMemory.open(backing, sizeBytes);
const endpoint = await startEndpoint({ interfaceName, sizeBytes, memory, seed, faultControl });

process.on('message', (/** @type {{ id: number, ask: string, faults: string[] }} */ message) => {
  const { id, ask, faults } = message;
  if (ask === 'faults') {
    faultControl.change(faults);
    process.send?.({ id });
  } else if (ask === 'counters') {
    const { link, responder } = endpoint.stats();
    process.send?.({ id, link, responder });
  }
});
process.once('SIGTERM', () => {
  void endpoint.close().then(() => {
    memory.close();
    process.exit();
  });
});
console.log(`ready: endpoint ${endpoint.macText}`);
