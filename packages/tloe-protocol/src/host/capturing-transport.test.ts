import { describe, expect, it } from 'vitest';

import { ByteRegion } from '../byte-region.ts';
import { createMemoryLink, type MemoryLinkOptions } from '../testing/memory-transport.ts';
import { Prng } from '../testing/prng.ts';
import { describeTransportContract, type TransportPair } from '../testing/transport-contract.ts';
import { VirtualClock } from '../testing/virtual-clock.ts';
import { CapturingTransport, type FrameSink } from './capturing-transport.ts';

const IGNORE: FrameSink = { frame: () => {} };

const NARROW = { hasBackPressure: true, queueFrames: 20, rateBytesPerSecond: 1_000_000_000 };

function makePair(options: MemoryLinkOptions): Promise<TransportPair> {
  const clock = new VirtualClock();
  const { a, b, network } = createMemoryLink(clock, new Prng(1), options);
  return Promise.resolve({
    a: new CapturingTransport(a, IGNORE),
    b: new CapturingTransport(b, IGNORE),
    until: (isReached) => {
      expect(clock.runUntil(isReached)).toBe(true);
      return Promise.resolve();
    },
    quiet: () => Promise.resolve(clock.runDry()),
    dispose: () => Promise.resolve(network.close()),
  });
}

describeTransportContract('CapturingTransport', () => makePair({}), {
  makeNarrowPair: () => makePair({ both: NARROW }),
});

/** A captured end of a narrow link; frames are known by their first byte. */
function rig() {
  const clock = new VirtualClock();
  const link = createMemoryLink(clock, new Prng(1), {
    both: { hasBackPressure: true, queueFrames: 3, rateBytesPerSecond: 1e6 },
  });
  const seen: string[] = [];
  const transport = new CapturingTransport(link.a, {
    frame: (region, offset, length) => seen.push(`${region.bytes[offset]}/${length}`),
  });
  const failures: Error[] = [];
  transport.start({
    onReceiveBatch: (count) => seen.push(`batch of ${count}`),
    onWritable: () => seen.push('writable'),
    onFailure: (error) => failures.push(error),
  });
  const region = ByteRegion.allocate(640);
  const descriptors = new Int32Array(20);
  for (let i = 0; i < 10; i++) {
    region.bytes[i * 64 + 2] = i;
    descriptors[2 * i] = i * 64 + 2;
    descriptors[2 * i + 1] = 50 + i;
  }
  return { ...link, clock, transport, seen, failures, region, descriptors };
}

describe('CapturingTransport', () => {
  it('shows the frames that were taken, and not those that were refused', () => {
    const { transport, seen, region, descriptors } = rig();
    expect(transport.sendBatch(region, descriptors, 2, 6)).toBe(3);
    expect(seen).toEqual(['2/52', '3/53', '4/54']);
  });

  it('shows received frames before they are handed up', () => {
    const { clock, b, seen, region, descriptors } = rig();
    b.start({ onReceiveBatch: () => {}, onWritable: () => {}, onFailure: () => {} });
    b.sendBatch(region, descriptors, 0, 2);
    clock.runDry();
    expect(seen).toEqual(['0/50', 'batch of 1', '1/51', 'batch of 1']);
  });

  it('passes on that there is room and that the interface has failed', () => {
    const { clock, a, transport, seen, failures, region, descriptors } = rig();
    transport.sendBatch(region, descriptors, 0, 10);
    clock.runUntil(() => seen.includes('writable'));
    expect(seen).toContain('writable');
    a.fail(new Error('gone'));
    expect(failures.map((error) => error.message)).toEqual(['gone']);
  });
});
