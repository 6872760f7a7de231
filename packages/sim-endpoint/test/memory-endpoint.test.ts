/** An endpoint in memory and real time, as somebody else's test uses it. */
import {
  ADDRESS_ZERO,
  ByteRegion,
  CapturingTransport,
  DEFAULT_REISSUE_POLICY,
  MemoryRequest,
  MemoryStatus,
  RemoteMemory,
  RequestKind,
  SECOND,
  type FrameTransport,
} from '@oxmem/tloe-protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMemoryEndpoint, type MemoryEndpoint } from '../src/index.ts';

let endpoint: MemoryEndpoint;
let memory: RemoteMemory;
/** What a transport is told of the answers to come. */
let awaited: Int32Array;

beforeEach(async () => {
  endpoint = createMemoryEndpoint({ sizeBytes: 2 ** 20 });
  awaited = Int32Array.of(-1);
  const telling: FrameTransport = Object.assign(endpoint.transport, { awaited });
  memory = new RemoteMemory(
    {
      peerMac: endpoint.endpointMac,
      initiator: {
        base: ADDRESS_ZERO,
        sizeBytes: 2 ** 20,
        dataOrder: 'raw',
        window: 64,
        maxAccessLog2: 10,
        reissue: DEFAULT_REISSUE_POLICY,
        firstSource: 0,
      },
    },
    // A captured transport is told, too.
    { transport: new CapturingTransport(telling, { frame: () => {} }), clock: endpoint.clock },
    { onLost: () => {}, onRecovered: () => {}, onEnded: () => {} },
  );
  expect(await memory.open(SECOND)).toMatchObject({ isOpen: true });
});

afterEach(async () => {
  await memory.close();
  endpoint.close();
});

function submit(kind: RequestKind, offset: number, buffer: ByteRegion): Promise<MemoryStatus> {
  return new Promise((resolve) => {
    const request = new MemoryRequest({ requestDone: (_, status) => resolve(status) });
    const length = buffer.bytes.length;
    memory.submit(Object.assign(request, { kind, offset, length, buffer }));
    memory.kick();
  });
}

describe('createMemoryEndpoint', () => {
  it('gives what a RemoteMemory needs, in one call', async () => {
    const buffer = ByteRegion.allocate(100_000);
    buffer.bytes.fill(42);
    expect(await submit(RequestKind.write, 1000, buffer)).toBe(MemoryStatus.ok);
    buffer.bytes.fill(0);
    expect(await submit(RequestKind.read, 1000, buffer)).toBe(MemoryStatus.ok);
    expect(buffer.bytes.every((byte) => byte === 42)).toBe(true);
    expect(endpoint.stats().responder.bytesWritten).toBe(100_000);
  });

  it('is told how many answers are awaited, by an initiator', async () => {
    expect(awaited[0]).toBe(0);
    const done = submit(RequestKind.read, 0, ByteRegion.allocate(5 * 1024));
    expect(awaited[0]).toBe(5);
    await done;
    await submit(RequestKind.read, 0, ByteRegion.allocate(1));
    expect(awaited[0]).toBe(0);
  });

  it('states its address in both forms', () => {
    expect(endpoint.endpointMacText).toBe('02:00:00:00:00:0b');
    expect(endpoint.endpointMac).toHaveLength(6);
  });

  it('allocates next to nothing per request once it is warm', async () => {
    const buffer = ByteRegion.allocate(64 * 1024);
    buffer.bytes.fill(1);
    const work = async (rounds: number): Promise<void> => {
      for (let i = 0; i < rounds; i++) {
        await submit(i % 2 === 0 ? RequestKind.write : RequestKind.read, 0, buffer);
      }
    };
    await work(600);
    const framesMoved = (): number => {
      const { framesReceived, framesSent } = endpoint.stats();
      return framesReceived + framesSent;
    };
    const bytesPerFrame: number[] = [];
    for (let round = 0; round < 3; round++) {
      const frames = framesMoved();
      const before = process.memoryUsage().heapUsed;
      await work(200);
      const grown = process.memoryUsage().heapUsed - before;
      const moved = framesMoved() - frames;
      expect(moved).toBeGreaterThan(10_000);
      bytesPerFrame.push(grown / moved);
    }
    // Timers, promises and requests make about 40 bytes a frame. One view per read frame, 96 bytes,
    // makes over 80 of it.
    expect(bytesPerFrame.sort((a, b) => a - b)[1]).toBeLessThan(60);
  });
});
