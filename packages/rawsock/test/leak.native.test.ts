import { readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RawSocket } from '../src/index.ts';
import { ETHER_TYPE, Inbox, loopTurn } from './frame-exchange.ts';
import * as network from './private-network.ts';

const obstacle = network.obstacleToNativeTests();

describe.skipIf(obstacle !== undefined)('resources of native sockets', () => {
  beforeAll(() => network.addVethPair('oxleak0', 'oxleak1', 1500));
  afterAll(() => network.removeInterface('oxleak0'));

  test('500 sockets opened and closed leave no descriptor behind', async () => {
    await openAndClose(1);
    const before = openDescriptors();
    for (let i = 0; i < 500; i++) await openAndClose(1);
    expect(openDescriptors()).toBe(before);
  });

  test('failed opens leave no descriptor behind', () => {
    const before = openDescriptors();
    for (let i = 0; i < 100; i++) {
      expect(() => RawSocket.open({ interfaceName: 'nosuch0', etherType: ETHER_TYPE })).toThrow();
    }
    expect(openDescriptors()).toBe(before);
  });

  test('closed sockets and their slabs go to the garbage collector', async () => {
    const collectGarbage = exposedGarbageCollector();
    const references: WeakRef<RawSocket>[] = [];
    for (let i = 0; i < 20; i++) references.push(new WeakRef(await openAndClose(64)));
    for (let i = 0; i < 10; i++) {
      await loopTurn();
      collectGarbage();
    }
    expect(references.filter((reference) => reference.deref() !== undefined)).toHaveLength(0);
  });

  test('an open socket outlives the garbage collector', async () => {
    const collectGarbage = exposedGarbageCollector();
    const inbox = startAndForget();
    for (let i = 0; i < 5; i++) {
      await loopTurn();
      collectGarbage();
    }
    network.removeInterface('oxleak0');
    for (let i = 0; inbox.failures.length === 0 && i < 1e6; i++) await loopTurn();
    expect(inbox.failures).toHaveLength(1);
    network.addVethPair('oxleak0', 'oxleak1', 1500);
  });
});

async function openAndClose(receiveSlots: number): Promise<RawSocket> {
  const socket = RawSocket.open({
    interfaceName: 'oxleak0',
    etherType: ETHER_TYPE,
    receiveSlots,
  });
  Inbox.start(socket);
  await loopTurn();
  socket.close();
  await loopTurn();
  return socket;
}

/** Leaves nothing that holds the socket but the socket itself. */
function startAndForget(): { failures: Error[] } {
  const failures: Error[] = [];
  RawSocket.open({ interfaceName: 'oxleak0', etherType: ETHER_TYPE }).start({
    onReceiveBatch: () => undefined,
    onWritable: () => undefined,
    onFailure: (error) => failures.push(error),
  });
  return { failures };
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

function exposedGarbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
