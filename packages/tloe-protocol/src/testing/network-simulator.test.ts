import { describe, expect, it } from 'vitest';

import { NEVER, type Micros } from '../units.ts';
import { directionFaults, type DirectionFaults } from './fault-plan.ts';
import { NetworkSimulator, type PortOptions, type WireNote } from './network-simulator.ts';
import { Prng } from './prng.ts';

const MAC = [0, 1, 2].map((n) => Uint8Array.of(2, 0, 0, 0, 0, n));

/** A frame to a port, marked with a number. */
function frameOf(mark: number, to = 1, length = 60): Uint8Array {
  const frame = new Uint8Array(length);
  frame.set(MAC[to] as Uint8Array);
  frame[20] = mark & 0xff;
  frame[21] = mark >> 8;
  return frame;
}

const markOf = (frame: Uint8Array): number => (frame[20] as number) + 256 * (frame[21] as number);

interface Came {
  readonly at: Micros;
  readonly port: number;
  readonly mark: number;
}

class Bench {
  readonly notes: WireNote[] = [];
  readonly network: NetworkSimulator;

  constructor(faults: Partial<DirectionFaults>, port: Partial<PortOptions> = {}, seed = 1) {
    const observe = (note: WireNote): void => void this.notes.push(note);
    this.network = new NetworkSimulator(new Prng(seed), { topology: 'point-to-point', observe });
    const mac = MAC[0] as Uint8Array;
    this.network.addPort({ ...port, mac, faults: directionFaults(faults) });
    this.network.addPort({ mac: MAC[1] as Uint8Array });
  }

  /** Sends marked frames, `apart` microseconds from one to the next. */
  send(count: number, apart: Micros = 100): this {
    for (let i = 0; i < count; i++) this.network.send(i * apart, 0, frameOf(i));
    return this;
  }

  arrivals(): Came[] {
    return arrivalsOf(this.network);
  }

  marks(): number[] {
    return this.arrivals().map(({ mark }) => mark);
  }
}

function arrivalsOf(network: NetworkSimulator): Came[] {
  const came: Came[] = [];
  while (network.nextAt < NEVER) {
    const at = network.nextAt;
    const arrival = network.takeArrival(at);
    if (arrival) came.push({ at, port: arrival.port, mark: markOf(arrival.bytes) });
  }
  return came;
}

const upTo = (n: number): number[] => [...Array(n).keys()];

describe('a wire without faults', () => {
  it('delivers every frame in order, after its delay and not before', () => {
    const { network } = new Bench({ delayMicros: 50 });
    network.send(1_000, 0, frameOf(7));
    expect(network.takeArrival(1_049)).toBeUndefined();
    expect(network.nextAt).toBe(1_050);
    expect(network.takeArrival(1_050)).toEqual({ port: 1, index: 0, bytes: frameOf(7) });
    expect(network.takeArrival(NEVER)).toBeUndefined();
  });

  it('copies the frame', () => {
    const { network } = new Bench({});
    const frame = frameOf(7);
    network.send(0, 0, frame);
    frame.fill(0);
    expect(network.takeArrival(10)?.bytes).toEqual(frameOf(7));
  });

  it('takes the time that its speed says for each frame', () => {
    const bench = new Bench({ delayMicros: 10 }, { rateBytesPerSecond: 1_000_000 }).send(3, 0);
    expect(bench.arrivals().map(({ at }) => at)).toEqual([70, 130, 190]);
  });

  it('keeps the exact rate even if a frame takes less than a microsecond', () => {
    const bench = new Bench({ delayMicros: 0 }, { rateBytesPerSecond: 120_000_000 }).send(1_000, 0);
    expect(bench.arrivals().at(-1)?.at).toBe(500);
  });

  it('loses what its queue cannot hold, and says when there is room', () => {
    const bench = new Bench({}, { rateBytesPerSecond: 1_000_000, queueFrames: 2 });
    const { network } = bench;
    expect(network.roomAt(5, 0)).toBe(5);
    bench.send(4, 0);
    expect([network.queuedFrames(0, 0), network.roomAt(0, 0)]).toEqual([2, 60]);
    expect([network.queuedFrames(60, 0), network.roomAt(60, 0)]).toEqual([1, 60]);
    expect(bench.marks()).toEqual([0, 1]);
    expect(network.counts(0)).toMatchObject({ sent: 4, overflowed: 2 });
  });

  it('keeps the order under jitter, which it does not exceed', () => {
    const bench = new Bench({ delayMicros: 100, jitterMicros: 1_000 }).send(500, 10);
    const arrivals = bench.arrivals();
    expect(arrivals.map(({ mark }) => mark)).toEqual(upTo(500));
    const waits = arrivals.map(({ at, mark }) => at - mark * 10);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(100);
    expect(Math.max(...waits)).toBeLessThanOrEqual(1_100);
    expect(new Set(waits).size).toBeGreaterThan(20);
  });
});

describe('scripted faults', () => {
  it('drop the frame named', () => {
    const bench = new Bench({ script: [{ kind: 'drop', frame: 2 }] }).send(5);
    expect(bench.marks()).toEqual([0, 1, 3, 4]);
    expect(bench.network.counts(0)).toMatchObject({ sent: 5, droppedByScript: 1 });
  });

  it('duplicate the frame named', () => {
    const bench = new Bench({ script: [{ kind: 'duplicate', frame: 0 }] }).send(2);
    expect(bench.marks()).toEqual([0, 0, 1]);
    expect(bench.network.counts(0).duplicated).toBe(1);
  });

  it('deliver the frame named right behind the next one', () => {
    const bench = new Bench({ script: [{ kind: 'delayBehindNext', frame: 1 }] }).send(4);
    expect(bench.arrivals().map(({ at, mark }) => [at, mark])).toEqual([
      [10, 0],
      [210, 2],
      [210, 1],
      [310, 3],
    ]);
    expect(bench.network.counts(0).reordered).toBe(1);
  });

  it('deliver a delayed frame late but surely when no other follows', () => {
    const script = [{ kind: 'delayBehindNext', frame: 1 }] as const;
    const bench = new Bench({ script, reorderHoldMicros: 5_000 }).send(2);
    expect(bench.arrivals()).toEqual([
      { at: 10, port: 1, mark: 0 },
      { at: 5_110, port: 1, mark: 1 },
    ]);
  });

  it('put a delayed frame behind the next that is not lost itself', () => {
    const script = [
      { kind: 'delayBehindNext', frame: 1 },
      { kind: 'drop', frame: 2 },
    ] as const;
    expect(new Bench({ script }).send(4).marks()).toEqual([0, 3, 1]);
  });

  it('invert the bit named', () => {
    const bench = new Bench({ script: [{ kind: 'corrupt', frame: 0, bit: 20 * 8 + 3 }] }).send(2);
    expect(bench.marks()).toEqual([8, 1]);
    expect(bench.network.counts(0).corrupted).toBe(1);
  });

  it('cut the wire from one moment on until before another', () => {
    const bench = new Bench({ script: [{ kind: 'cut', from: 100, until: 300 }] }).send(5);
    expect(bench.marks()).toEqual([0, 3, 4]);
    expect(bench.network.counts(0).cut).toBe(2);
  });

  it('count frames from the start, also when the plan comes later', () => {
    const bench = new Bench({}).send(2);
    bench.network.setFaults(0, directionFaults({ script: [{ kind: 'drop', frame: 2 }] }));
    for (let i = 2; i < 4; i++) bench.network.send(i * 100, 0, frameOf(i));
    expect(bench.marks()).toEqual([0, 1, 3]);
  });
});

describe('faults by chance', () => {
  const count = 10_000;

  it('lose as many frames as asked for', () => {
    const bench = new Bench({ loss: 0.1 }).send(count);
    expect(Math.abs(bench.network.counts(0).lost - 1_000)).toBeLessThan(120);
    expect(bench.marks()).toHaveLength(count - bench.network.counts(0).lost);
  });

  it('lose frames in runs when losses come in bursts', () => {
    const bench = new Bench({ bursts: { enter: 0.01, leave: 0.2, loss: 1 } }).send(count);
    const lost = bench.network.counts(0).lostInBurst;
    const came = new Set(bench.marks());
    const runs = upTo(count).filter((mark) => !came.has(mark) && came.has(mark - 1)).length;
    expect(lost).toBeGreaterThan(300);
    expect(Math.abs(lost / runs - 5)).toBeLessThan(1.5);
  });

  it('duplicate frames, and deliver both copies', () => {
    const bench = new Bench({ duplicate: 0.05 }).send(count);
    const { duplicated } = bench.network.counts(0);
    expect(Math.abs(duplicated - 500)).toBeLessThan(100);
    expect(bench.marks()).toHaveLength(count + duplicated);
  });

  it('reorder frames by no more than the depth asked for, and lose none', () => {
    const bench = new Bench({ reorder: 0.1, reorderDepthFrames: 3 }).send(count, 10);
    const marks = bench.marks();
    expect([...marks].sort((a, b) => a - b)).toEqual(upTo(count));
    expect(marks).not.toEqual(upTo(count));
    const { reordered } = bench.network.counts(0);
    expect(Math.abs(reordered - 1_000)).toBeLessThan(120);
    // A held frame waits for three that are not held themselves.
    const lateness = marks.map((mark, place) => place - mark);
    expect(Math.max(...lateness)).toBeGreaterThanOrEqual(2);
    expect(Math.max(...lateness)).toBeLessThan(12);
  });

  it('invert one bit anywhere in a frame, the addresses included', () => {
    const { network } = new Bench({ corrupt: 1 });
    const inverted = new Set<number>();
    for (let i = 0; i < 5_000; i++) {
      network.send(i, 0, new Uint8Array(20));
      const bytes = network.takeArrival(NEVER)?.bytes ?? new Uint8Array(0);
      const bits = [...bytes].flatMap((byte, at) =>
        upTo(8).flatMap((bit) => ((byte >> bit) & 1 ? [at * 8 + bit] : [])),
      );
      if (bits.length !== 1) expect.fail(`${bits.length} bits of frame ${i} inverted`);
      inverted.add(bits[0] as number);
    }
    expect(inverted.size).toBe(160);
  });
});

describe('determinism', () => {
  const all = {
    loss: 0.05,
    duplicate: 0.05,
    reorder: 0.1,
    reorderDepthFrames: 4,
    corrupt: 0.05,
    jitterMicros: 300,
    bursts: { enter: 0.01, leave: 0.3, loss: 0.9 },
  };

  it('gives the same run for the same seed, and another for another', () => {
    const run = (seed: number): unknown => {
      const bench = new Bench(all, {}, seed).send(2_000, 50);
      return [bench.arrivals(), bench.notes];
    };
    expect(run(5)).toEqual(run(5));
    expect(run(5)).not.toEqual(run(6));
  });

  it('leaves the losses where they are when the other faults are taken away', () => {
    const lostIn = (faults: Partial<DirectionFaults>): number[] => {
      const bench = new Bench(faults, {}, 9).send(2_000, 50);
      return bench.notes.filter(({ fate }) => fate === 'lost').map(({ frame }) => frame);
    };
    expect(lostIn({ loss: 0.05 }).length).toBeGreaterThan(50);
    expect(lostIn({ ...all, bursts: undefined })).toEqual(lostIn({ loss: 0.05 }));
  });

  it('accounts for every frame', () => {
    const bench = new Bench(all, { rateBytesPerSecond: 1e6, queueFrames: 5 }).send(5_000, 40);
    bench.arrivals();
    const sender = bench.network.counts(0);
    const gone =
      sender.lost + sender.lostInBurst + sender.droppedByScript + sender.cut + sender.overflowed;
    expect(sender.overflowed).toBeGreaterThan(0);
    expect(bench.network.counts(1).delivered).toBe(sender.sent - gone + sender.duplicated);
  });
});

describe('topology', () => {
  function makeSwitch(): NetworkSimulator {
    const network = new NetworkSimulator(new Prng(1));
    for (const mac of MAC) network.addPort({ mac });
    return network;
  }

  it('of a switch brings a frame to the port with its address', () => {
    const network = makeSwitch();
    network.send(0, 0, frameOf(1, 2));
    network.send(0, 2, frameOf(2, 1));
    expect(arrivalsOf(network).map(({ port, mark }) => [port, mark])).toEqual([
      [2, 1],
      [1, 2],
    ]);
  });

  it('of a switch brings a broadcast and an unknown address to all others', () => {
    const network = makeSwitch();
    network.send(0, 1, new Uint8Array(60).fill(0xff));
    network.send(0, 0, new Uint8Array(60).fill(0x42));
    expect(arrivalsOf(network).map(({ port }) => port)).toEqual([0, 2, 1, 2]);
  });

  it('of a switch does not bring a frame back to its sender', () => {
    const network = makeSwitch();
    network.send(0, 0, frameOf(1, 0));
    expect(arrivalsOf(network)).toEqual([]);
    expect(network.counts(0).unroutable).toBe(1);
  });

  it('of two points brings a frame to the other end, whatever its address', () => {
    const { network } = new Bench({});
    network.send(0, 0, frameOf(1, 0));
    network.send(0, 1, new Uint8Array(5));
    expect(arrivalsOf(network).map(({ port }) => port)).toEqual([1, 0]);
  });

  it('of two points has no third', () => {
    const { network } = new Bench({});
    expect(() => network.addPort({ mac: MAC[2] as Uint8Array })).toThrow('two ports');
  });
});
