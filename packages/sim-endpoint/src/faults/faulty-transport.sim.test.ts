import { ByteRegion } from '@oxmem/tloe-protocol';
import { Prng, VirtualClock, createMemoryLink } from '@oxmem/tloe-protocol/testing';
import {
  describeTransportContract,
  type TransportPair,
} from '@oxmem/tloe-protocol/testing/transport-contract';
import { describe, expect, it } from 'vitest';
import { FaultyTransport } from './faulty-transport.ts';
import { MAX_FRAMES_UNDER_WAY } from './faulty-direction.ts';
import { parseFaultSpecs } from './parse-fault-spec.ts';

function settingsOf(...specs: string[]) {
  const result = parseFaultSpecs(specs);
  if (!result.ok) throw new Error(result.reason);
  return result.settings;
}

function makePair(...specs: string[]): Promise<TransportPair> {
  const clock = new VirtualClock();
  const { a, b, network } = createMemoryLink(clock, new Prng(1));
  const faults = settingsOf(...specs);
  const wrapped = new FaultyTransport(a, clock, { faults, prng: new Prng(2) });
  const other = new FaultyTransport(b, clock, { faults, prng: new Prng(3) });
  return Promise.resolve({
    a: wrapped,
    b: other,
    until: (isReached) => {
      expect(clock.runUntil(isReached)).toBe(true);
      return Promise.resolve();
    },
    quiet: () => Promise.resolve(clock.runDry()),
    dispose: () => {
      wrapped.close();
      other.close();
      return Promise.resolve(network.close());
    },
  });
}

describeTransportContract('FaultyTransport without faults', () => makePair());
describeTransportContract('FaultyTransport that only delays', () => makePair('delay=3ms±2ms'));

type WireOptions = Parameters<typeof createMemoryLink>[2];

function rig(seed: number, ...specs: string[]) {
  return rigOn({ seed }, ...specs);
}

/** A faulty end `a`; what arrives at either end is noted as "number@time". */
function rigOn({ seed, wire }: { seed: number; wire?: WireOptions }, ...specs: string[]) {
  const clock = new VirtualClock();
  const link = createMemoryLink(clock, new Prng(1), wire);
  const faults = settingsOf(...specs);
  const faulty = new FaultyTransport(link.a, clock, { faults, prng: new Prng(seed) });
  const arrived = { a: [] as number[], b: [] as number[] };
  const times = { a: [] as number[], b: [] as number[] };
  for (const [name, transport] of [
    ['a', faulty],
    ['b', link.b],
  ] as const) {
    transport.start({
      onReceiveBatch: (count) => {
        for (let i = 0; i < count; i++) {
          const offset = transport.receiveDescriptors[2 * i] as number;
          arrived[name].push(transport.receiveRegion.view.getUint32(offset + 20));
          times[name].push(clock.now());
        }
      },
      onWritable: () => {},
      onFailure: (error) => {
        throw error;
      },
    });
  }
  const region = ByteRegion.allocate(128 * 128);
  const descriptors = Int32Array.from({ length: 256 }, (_, i) => (i % 2 ? 70 : 64 * i + 2));
  const send = (from: 'a' | 'b', first: number, count = 1): void => {
    const transport = from === 'a' ? faulty : link.b;
    for (let i = 0; i < count; i++) {
      const at = descriptors[2 * i] as number;
      region.bytes.set(from === 'a' ? link.b.ownMac : link.a.ownMac, at);
      region.bytes.set(transport.ownMac, at + 6);
      region.view.setUint16(at + 12, 0xaaaa);
      region.view.setUint32(at + 20, first + i);
    }
    expect(transport.sendBatch(region, descriptors, 0, count)).toBe(count);
  };
  return { clock, link, faulty, arrived, times, send };
}

function sendBothWays(test: ReturnType<typeof rig>, count: number): void {
  for (let i = 0; i < count; i++) {
    test.send('a', i);
    test.send('b', i);
    test.clock.advanceBy(100);
  }
  test.clock.runDry();
}

describe('FaultyTransport', () => {
  it('loses frames of the direction that it is told to, and counts them', () => {
    const test = rig(5, 'rx:loss=10%');
    sendBothWays(test, 2000);
    expect(test.arrived.b).toHaveLength(2000);
    const { lost } = test.faulty.counts.rx;
    expect(test.arrived.a).toHaveLength(2000 - lost);
    expect(lost).toBeGreaterThan(140);
    expect(lost).toBeLessThan(260);
    expect(test.faulty.counts.tx.lost).toBe(0);
  });

  it('repeats frames', () => {
    const test = rig(5, 'tx:dup=100%');
    sendBothWays(test, 3);
    expect(test.arrived.b).toEqual([0, 0, 1, 1, 2, 2]);
    expect(test.arrived.a).toEqual([0, 1, 2]);
  });

  it('lets frames overtake each other', () => {
    const test = rig(5, 'rx:reorder=30%/4');
    sendBothWays(test, 200);
    expect(test.arrived.a).not.toEqual(test.arrived.b);
    expect([...test.arrived.a].sort((x, y) => x - y)).toEqual(test.arrived.b);
    expect(test.faulty.counts.rx.reordered).toBeGreaterThan(20);
  });

  it('spoils frames', () => {
    const test = rig(5, 'tx:corrupt=50%');
    sendBothWays(test, 100);
    expect(test.faulty.counts.tx.corrupted).toBeGreaterThan(20);
    expect(test.faulty.counts.rx.corrupted).toBe(0);
  });

  it('delays frames without changing their order', () => {
    const test = rig(5, 'rx:delay=2ms±1ms');
    for (let i = 0; i < 100; i++) test.send('b', i);
    test.clock.runDry();
    expect(test.arrived.a).toEqual(Array.from({ length: 100 }, (_, i) => i));
    for (const time of test.times.a) {
      expect(time).toBeGreaterThanOrEqual(1010);
      expect(time).toBeLessThanOrEqual(3010);
    }
    expect(new Set(test.times.a).size).toBeGreaterThan(2);
  });

  it('stands still for as long as a stall lasts, and then hands on what has come', () => {
    const test = rig(5, 'rx:stall=100%/50ms');
    test.send('b', 1);
    test.clock.advanceBy(20_000);
    test.send('b', 2);
    test.send('a', 3);
    test.clock.runDry();
    expect(test.arrived).toEqual({ a: [1, 2], b: [3] });
    expect(test.times.a).toEqual([50_010, 50_010]);
    expect(test.times.b).toEqual([20_010]);
    expect(test.faulty.counts.rx.stalls).toBe(1);
  });

  it('does the same to the same traffic with the same seed, and something else with another', () => {
    const run = (seed: number): number[] => {
      const test = rig(seed, 'loss=20%,dup=10%,reorder=10%');
      sendBothWays(test, 300);
      return [...test.arrived.a, -1, ...test.arrived.b];
    };
    expect(run(9)).toEqual(run(9));
    expect(run(9)).not.toEqual(run(10));
  });

  it('loses the same frames, in batches of any size and whether there is room below or not', () => {
    const run = (batchFrames: number, wire: WireOptions): number[] => {
      const test = rigOn({ seed: 9, wire }, 'tx:loss=20%');
      for (let i = 0; i < 600; i += batchFrames) test.send('a', i, batchFrames);
      test.clock.runDry();
      expect(test.faulty.counts.tx.frames).toBe(600);
      expect(test.faulty.counts.tx.lost).toBe(600 - test.arrived.b.length);
      return test.arrived.b;
    };
    const arrived = run(1, {});
    expect(run(60, {})).toEqual(arrived);
    expect(run(100, {})).toEqual(arrived);
    const narrow = { both: { hasBackPressure: true, queueFrames: 3, rateBytesPerSecond: 1e6 } };
    expect(run(1, narrow)).toEqual(arrived);
    expect(run(60, narrow)).toEqual(arrived);
  });

  it('goes over to other faults, and back, without losing or reordering a frame', () => {
    const test = rig(5, 'loss=0%');
    for (const [round, spec] of ['delay=1ms', 'loss=0%', 'rx:dup=0%', 'tx:delay=2ms'].entries()) {
      for (let i = 0; i < 10; i++)
        for (const end of ['a', 'b'] as const) test.send(end, 10 * round + i);
      test.faulty.setFaults(settingsOf(spec));
    }
    test.clock.runDry();
    const all = Array.from({ length: 40 }, (_, i) => i);
    expect(test.arrived).toEqual({ a: all, b: all });
    expect(test.faulty.counts.tx).toMatchObject({ frames: 40, lost: 0 });
  });

  it('holds a bounded number of frames, and drops what is beyond', () => {
    const test = rig(5, 'rx:delay=10s');
    for (let i = 0; i < MAX_FRAMES_UNDER_WAY + 100; i++) test.send('b', i);
    test.clock.runDry();
    expect(test.arrived.a).toHaveLength(MAX_FRAMES_UNDER_WAY);
    expect(test.faulty.counts.rx.overflowed).toBe(100);
  });

  it.each(['tx:delay=1ms', 'rx:loss=1%'])('waits below %s when full, and loses nothing', (spec) => {
    const clock = new VirtualClock();
    const link = createMemoryLink(clock, new Prng(1), {
      both: { hasBackPressure: true, queueFrames: 3, rateBytesPerSecond: 1e6 },
    });
    const faults = settingsOf(spec);
    const faulty = new FaultyTransport(link.a, clock, { faults, prng: new Prng(1) });
    const ignore = { onReceiveBatch: () => {}, onWritable: () => {}, onFailure: () => {} };
    faulty.start(ignore);
    link.b.start(ignore);
    const descriptors = Int32Array.of(2, 70);
    for (let i = 0; i < 300; i++) faulty.sendBatch(ByteRegion.allocate(80), descriptors, 0, 1);
    clock.runDry();
    expect(link.b.counts.delivered).toBe(300);
  });

  it('does nothing any more once it is closed', () => {
    const test = rig(5, 'delay=1ms');
    test.send('b', 1);
    test.send('a', 2);
    test.clock.advanceBy(500);
    test.faulty.close();
    test.clock.runDry();
    expect(test.arrived).toEqual({ a: [], b: [] });
  });
});
