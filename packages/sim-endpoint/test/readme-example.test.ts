import { createMemoryEndpoint } from '@oxmem/sim-endpoint';
import {
  ADDRESS_ZERO,
  ByteRegion,
  DEFAULT_REISSUE_POLICY,
  MemoryRequest,
  MemoryStatus,
  RemoteMemory,
  RequestKind,
  SECOND,
} from '@oxmem/tloe-protocol';
import { expect, test } from 'vitest';

test('what is written to remote memory is read back, though frames get lost', async () => {
  const sizeBytes = 2 ** 20;
  const endpoint = createMemoryEndpoint({ sizeBytes, faults: ['loss=5%'], seed: 7 });
  const config = { base: ADDRESS_ZERO, sizeBytes, dataOrder: 'raw' } as const;
  const tuning = { window: 64, maxAccessLog2: 10, firstSource: 0, reissue: DEFAULT_REISSUE_POLICY };
  const memory = new RemoteMemory(
    { peerMac: endpoint.endpointMac, initiator: { ...config, ...tuning } },
    endpoint, // has the transport and the clock
    { onLost: () => {}, onRecovered: () => {}, onEnded: () => {} },
  );
  expect(await memory.open(5 * SECOND)).toMatchObject({ isOpen: true });

  const run = (kind: RequestKind, buffer: ByteRegion): Promise<MemoryStatus> =>
    new Promise((resolve) => {
      const request = new MemoryRequest({ requestDone: (_, status) => resolve(status) });
      memory.submit(Object.assign(request, { kind, offset: 4096, length: 5, buffer }));
      memory.kick();
    });
  expect(await run(RequestKind.write, new ByteRegion(Uint8Array.of(42, 42, 42, 42, 42)))).toBe(
    MemoryStatus.ok,
  );
  const found = ByteRegion.allocate(5);
  expect(await run(RequestKind.read, found)).toBe(MemoryStatus.ok);
  expect([...found.bytes]).toEqual([42, 42, 42, 42, 42]);

  await memory.close();
  endpoint.close();
});
