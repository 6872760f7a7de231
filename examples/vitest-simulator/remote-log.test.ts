/** Tests of your own software, against the simulator: no hardware, no network, no privileges. */
import { createMemoryEndpoint, type MemoryEndpoint } from '@oxmem/sim-endpoint';
import {
  ADDRESS_ZERO,
  DEFAULT_REISSUE_POLICY,
  MemoryStatus,
  RemoteMemory,
  SECOND,
} from '@oxmem/tloe-protocol';
import { afterEach, expect, test } from 'vitest';
import { RemoteLog } from './remote-log.ts';

const SIZE_BYTES = 2 ** 20;
const RECORDS = ['first', 'second, a little longer', 'ünïcödé'];

type EndpointOptions = Parameters<typeof createMemoryEndpoint>[0];

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** An endpoint of our own, and a log in its memory. */
async function openLog(
  options: Partial<EndpointOptions> = {},
): Promise<{ log: RemoteLog; endpoint: MemoryEndpoint }> {
  const endpoint = createMemoryEndpoint({ sizeBytes: SIZE_BYTES, ...options });
  const initiator = {
    base: ADDRESS_ZERO,
    sizeBytes: SIZE_BYTES,
    dataOrder: 'raw',
    window: 16,
    maxAccessLog2: 6,
    firstSource: 0,
    reissue: DEFAULT_REISSUE_POLICY,
  } as const;
  const memory = new RemoteMemory(
    { peerMac: endpoint.endpointMac, initiator },
    endpoint, // has the transport and the clock
    { onLost: () => {}, onRecovered: () => {}, onEnded: () => {} },
  );
  closing.push(
    () => endpoint.close(),
    () => memory.close(),
  );
  expect(await memory.open(5 * SECOND)).toMatchObject({ isOpen: true });
  return { log: new RemoteLog(memory), endpoint };
}

test('records come back in the order in which they were appended', async () => {
  const { log, endpoint } = await openLog();
  await log.clear();
  for (const record of RECORDS) await log.append(record);
  expect(await log.records()).toEqual(RECORDS);
  expect(endpoint.stats().responder.gets).toBeGreaterThan(0);
});

test('no record is lost on a bad wire', async () => {
  const { log } = await openLog({ faults: ['loss=10%', 'dup=5%', 'reorder=5%'], seed: 7 });
  await log.clear();
  for (const record of RECORDS) await log.append(record);
  expect(await log.records()).toEqual(RECORDS);
});

test('an endpoint that refuses is an error, not an empty log', async () => {
  const { log } = await openLog({ faults: ['deny=100%'], seed: 1 });
  await expect(log.records()).rejects.toMatchObject({ status: MemoryStatus.denied });
});

test.each(['plain', 'memnode', 'etri'] as const)(
  'it works with the endpoint %s',
  async (persona) => {
    const { log } = await openLog({ persona });
    await log.clear();
    for (const record of RECORDS) await log.append(record);
    expect(await log.records()).toEqual(RECORDS);
  },
);
