import { describe, expect, it } from 'vitest';

import { ByteRegion } from '../byte-region.ts';
import { directionFaults } from './fault-plan.ts';
import { MemoryNetwork, createMemoryLink, type MemoryLinkOptions } from './memory-transport.ts';
import { Prng } from './prng.ts';
import { describeTransportContract, type TransportPair } from './transport-contract.ts';
import { VirtualClock } from './virtual-clock.ts';

function makePair(options: MemoryLinkOptions = {}): Promise<TransportPair> {
  const clock = new VirtualClock();
  const { a, b, network } = createMemoryLink(clock, new Prng(1), options);
  return Promise.resolve({
    a,
    b,
    until: (isReached) => {
      expect(clock.runUntil(isReached)).toBe(true);
      return Promise.resolve();
    },
    quiet: () => Promise.resolve(clock.runDry()),
    dispose: () => Promise.resolve(network.close()),
  });
}

const NARROW = { hasBackPressure: true, queueFrames: 20, rateBytesPerSecond: 1_000_000_000 };
for (const mtuBytes of [1500, 9000]) {
  describeTransportContract(
    `MemoryTransport with an MTU of ${mtuBytes}`,
    () => makePair({ both: { mtuBytes } }),
    { makeNarrowPair: () => makePair({ both: { ...NARROW, mtuBytes } }) },
  );
}

/** A link, memory with frames of 60 bytes, and what comes to `b`. */
function rig(options: MemoryLinkOptions = {}) {
  const clock = new VirtualClock();
  const link = createMemoryLink(clock, new Prng(1), options);
  const region = ByteRegion.allocate(64);
  const descriptors = Int32Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? 2 : 60));
  const batches: { at: number; count: number }[] = [];
  const events: string[] = [];
  link.b.start({
    onReceiveBatch: (count) => batches.push({ at: clock.now(), count }),
    onWritable: () => events.push('b writable'),
    onFailure: (error) => events.push(`b failed: ${error.message}`),
  });
  const send = (count: number): number => link.a.sendBatch(region, descriptors, 0, count);
  return { ...link, clock, send, batches, events, region, descriptors };
}

describe('MemoryTransport', () => {
  it('delivers frames of one instant in one batch of up to 64', () => {
    const { clock, send, batches } = rig();
    send(150);
    clock.advanceTo(5);
    send(3);
    clock.runDry();
    expect(batches).toEqual([
      { at: 10, count: 64 },
      { at: 10, count: 64 },
      { at: 10, count: 22 },
      { at: 15, count: 3 },
    ]);
  });

  it('ignores frames that come before it is started, and longer ones than it can take', () => {
    const clock = new VirtualClock();
    const network = new MemoryNetwork(clock, new Prng(1));
    const a = network.attach({ mac: Uint8Array.of(2, 0, 0, 0, 0, 1), mtuBytes: 9000 });
    const b = network.attach({ mac: Uint8Array.of(2, 0, 0, 0, 0, 2) });
    const region = ByteRegion.allocate(9016);
    a.sendBatch(region, Int32Array.of(2, 60), 0, 1);
    clock.runDry();
    let frames = 0;
    b.start({
      onReceiveBatch: (count) => (frames += count),
      onWritable: () => {},
      onFailure: () => {},
    });
    a.sendBatch(region, Int32Array.of(2, 1515, 2, 1514), 0, 2);
    clock.runDry();
    expect([frames, b.framesIgnored]).toEqual([1, 2]);
  });

  it('refuses to send a frame beyond the MTU', () => {
    const { a, region } = rig();
    expect(() => a.sendBatch(region, Int32Array.of(0, 1515), 0, 1)).toThrow('MTU');
  });

  it('loses what its queue cannot hold when it has no back-pressure', () => {
    const { clock, a, send, batches } = rig({ both: { queueFrames: 5, rateBytesPerSecond: 1e6 } });
    expect(send(20)).toBe(20);
    clock.runDry();
    expect(batches.reduce((sum, { count }) => sum + count, 0)).toBe(5);
    expect(a.counts.overflowed).toBe(15);
  });

  it('suffers the faults of its direction only', () => {
    const forward = directionFaults({ loss: 1 });
    const { clock, a, b, send, batches, region, descriptors } = rig({
      faults: { forward, backward: directionFaults({}) },
    });
    send(10);
    b.sendBatch(region, descriptors, 0, 10);
    clock.runDry();
    expect(batches).toEqual([]);
    expect([a.counts.lost, a.counts.delivered]).toEqual([10, 10]);
  });

  it('tells its owner when the interface fails, and nothing more', () => {
    const { clock, b, send, events, batches } = rig();
    send(1);
    b.fail(new Error('interface gone'));
    b.fail(new Error('again'));
    clock.runDry();
    expect(events).toEqual(['b failed: interface gone']);
    expect(batches).toEqual([]);
  });

  it('leaves nothing on the clock when the network closes', () => {
    const { clock, send, network } = rig();
    send(5);
    network.close();
    expect(clock.nextAt).toBe(Infinity);
  });

  it('ping-pong without delay goes on event by event, so that a run can be bounded', () => {
    const still = directionFaults({ delayMicros: 0 });
    const clock = new VirtualClock();
    const { a, b } = createMemoryLink(clock, new Prng(1), {
      faults: { forward: still, backward: still },
    });
    const region = ByteRegion.allocate(64);
    for (const end of [a, b]) {
      end.start({
        onReceiveBatch: () => void end.sendBatch(region, Int32Array.of(2, 60), 0, 1),
        onWritable: () => {},
        onFailure: () => {},
      });
    }
    a.sendBatch(region, Int32Array.of(2, 60), 0, 1);
    expect(() => clock.runDry({ maxEvents: 100 })).toThrow('100 events');
  });
});
