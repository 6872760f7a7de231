import type { FrameTransport, TransportHandlers } from '@oxmem/tloe-protocol';
import { expect, expectTypeOf, test } from 'vitest';
import { RawSocket } from '../src/index.ts';
import type { RawSocketHandlers } from '../src/index.ts';
import { MockNetwork } from '../src/mock/index.ts';
import { ETHER_TYPE } from './frame-exchange.ts';

test('a RawSocket is a FrameTransport by shape, to the compiler and at run time', () => {
  expectTypeOf<RawSocket>().toExtend<FrameTransport>();
  expectTypeOf<TransportHandlers>().toExtend<RawSocketHandlers>();

  const network = new MockNetwork();
  network.addInterface({ name: 'mock0', mtuBytes: 9000 });
  const transport: FrameTransport = RawSocket.open(
    { interfaceName: 'mock0', etherType: ETHER_TYPE },
    network.binding,
  );
  const { bytes, view, words } = transport.receiveRegion;
  expect(transport.mtuBytes).toBe(9000);
  expect(transport.ownMac).toHaveLength(6);
  expect([bytes.buffer, view.buffer, words.buffer]).toEqual(Array(3).fill(bytes.buffer));
  expect([bytes.byteLength, view.byteLength, 4 * words.length]).toEqual(Array(3).fill(64 * 9024));
  expect(transport.receiveDescriptors).toHaveLength(2 * 64);
  transport.close();
});
