/** A driver's `RemoteMemory`, several of them, against one endpoint, in virtual time from a seed. */
import {
  ByteRegion,
  MILLISECOND,
  MemoryStatus,
  RequestKind,
  SECOND,
  type Micros,
} from '@oxmem/tloe-protocol';
import { Prng, VirtualClock } from '@oxmem/tloe-protocol/testing';
import { describe, expect, it } from 'vitest';
import {
  TAINT_BYTE,
  composeEndpoint,
  createPatternMemory,
  createTaintedMemory,
  createVirtualEndpoint,
  endpointConfig,
  patternByte,
  Endpoint,
  SparseMemory,
  type EndpointEvent,
  type MemoryEndpointOptions,
  type VirtualEndpoint,
} from '../src/index.ts';
import { ScriptedPeer } from './scripted-peer.ts';
import { Station, VirtualInitiator, stationMac, until } from './virtual-initiator.ts';

const SIZE = 2 ** 20;

function rig(options: Partial<MemoryEndpointOptions> = {}) {
  const clock = new VirtualClock();
  const events: EndpointEvent[] = [];
  const endpoint = createVirtualEndpoint(
    { sizeBytes: SIZE, onEvent: (event) => events.push(event), ...options },
    clock,
  );
  const told = (): string[] => events.map((event) => nameOf(event));
  return { clock, endpoint, events, told };
}

function nameOf(event: EndpointEvent): string {
  return event.type === 'failed' ? event.type : `${event.type} ${event.mac[5]}`;
}

function bytesOf(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  new Prng(seed).fillBytes(bytes);
  return bytes;
}

/** Random writes and reads within a range of its own, compared with a model. */
async function exercise(
  initiator: VirtualInitiator,
  range: { readonly from: number; readonly bytes: number },
  work: { readonly seed: number; readonly rounds: number },
): Promise<void> {
  const prng = new Prng(work.seed);
  const model = new Uint8Array(range.bytes);
  expect(await initiator.write(range.from, model)).toBe(MemoryStatus.ok);
  for (let i = 0; i < work.rounds; i++) {
    const length = prng.between(1, 9000);
    const offset = prng.below(range.bytes - length + 1);
    if (prng.chance(0.5)) {
      const bytes = bytesOf(length, prng.nextUint32());
      model.set(bytes, offset);
      expect(await initiator.write(range.from + offset, bytes)).toBe(MemoryStatus.ok);
    } else {
      const found = await initiator.read(range.from + offset, length);
      expect(found).toEqual(model.slice(offset, offset + length));
    }
  }
}

describe('one initiator', () => {
  it('recognises the endpoint, writes, reads back and closes', async () => {
    const { endpoint, told } = rig();
    const initiator = new VirtualInitiator(endpoint);
    expect(await initiator.open()).toMatchObject({ isOpen: true, profile: { name: 'oxmem' } });
    const bytes = bytesOf(10_000, 1);
    expect(await initiator.write(12_345, bytes)).toBe(MemoryStatus.ok);
    expect(await initiator.read(12_345, 10_000)).toEqual(bytes);
    expect(await initiator.close()).toBe('confirmed');
    expect(told()).toEqual(['opened 10', 'closed 10']);
    endpoint.clock.advanceBy(5 * SECOND);
    expect(endpoint.stats().connectionsOpen).toBe(0);
  });

  it('finds zeros where nobody has written', async () => {
    const { endpoint } = rig();
    const initiator = new VirtualInitiator(endpoint);
    await initiator.open();
    expect(await initiator.read(SIZE - 100, 100)).toEqual(new Uint8Array(100));
  });

  it('finds in each place what belongs there', async () => {
    const { endpoint } = rig({ memory: createPatternMemory(SIZE) });
    const initiator = new VirtualInitiator(endpoint);
    await initiator.open();
    for (const offset of [0, 1, 4095, 65_530, SIZE - 5000]) {
      const expected = Uint8Array.from({ length: 5000 }, (_, i) => patternByte(offset + i));
      expect(await initiator.read(offset, 5000)).toEqual(expected);
    }
  });

  it('writes no byte beside those that it was told to write', async () => {
    const { endpoint } = rig({ memory: createTaintedMemory(SIZE) });
    const initiator = new VirtualInitiator(endpoint);
    await initiator.open();
    for (let offset = 0; offset < 16; offset++) {
      const at = offset * 256 + offset + 8;
      expect(await initiator.write(at, bytesOf(offset + 1, 5))).toBe(MemoryStatus.ok);
      const expected = new Uint8Array(offset + 17).fill(TAINT_BYTE);
      expected.set(bytesOf(offset + 1, 5), 8);
      expect(await initiator.read(at - 8, offset + 17)).toEqual(expected);
    }
  });

  it('is refused outside the memory, and served again after that', async () => {
    const { endpoint } = rig({ sizeBytes: SIZE / 2 });
    const initiator = new VirtualInitiator(endpoint);
    await initiator.open();
    expect(await initiator.read(SIZE / 2, 8)).toBe(MemoryStatus.denied);
    expect(await initiator.write(SIZE / 2 - 4, bytesOf(8, 1))).toBe(MemoryStatus.denied);
    expect(await initiator.read(SIZE / 2 - 8, 8)).toBeInstanceOf(Uint8Array);
  });

  it.each([
    [0, 0x10],
    [0xffffffff, 0xfff00000],
  ])('is served at base address %i:%i', async (high, low) => {
    const base = { high, low };
    const { endpoint } = rig({ base });
    const initiator = new VirtualInitiator(endpoint, { initiator: { base } });
    await initiator.open();
    await exercise(initiator, { from: SIZE - 50_000, bytes: 50_000 }, { seed: 3, rounds: 20 });
  });

  it.each(['raw', 'spec'] as const)(
    'agrees with its endpoint on data order %s',
    async (dataOrder) => {
      const { endpoint } = rig({ dataOrder });
      const initiator = new VirtualInitiator(endpoint, { initiator: { dataOrder } });
      await initiator.open();
      await exercise(initiator, { from: 0, bytes: 20_000 }, { seed: 4, rounds: 30 });
    },
  );

  it('reads words reversed if the two do not agree', async () => {
    const { endpoint } = rig({ memory: createPatternMemory(SIZE), dataOrder: 'spec' });
    const initiator = new VirtualInitiator(endpoint);
    await initiator.open();
    const expected = Uint8Array.from({ length: 8 }, (_, i) => patternByte(23 - i));
    expect(await initiator.read(16, 8)).toEqual(expected);
  });

  it('uses accesses of 4 KiB on a wire that carries them', async () => {
    const { endpoint } = rig({ mtuBytes: 9000 });
    const initiator = new VirtualInitiator(endpoint, { initiator: { maxAccessLog2: 12 } });
    await initiator.open();
    await initiator.write(0, bytesOf(65_536, 1));
    expect(endpoint.stats().responder.puts).toBe(16);
  });
});

describe('several initiators', () => {
  it('three at once, disjoint ranges, each finding its own data', async () => {
    const { endpoint, told } = rig();
    const initiators = [1, 2, 3].map((station) => new VirtualInitiator(endpoint, { station }));
    await Promise.all(initiators.map((each) => each.open()));
    const range = (i: number) => ({ from: i * 100_000, bytes: 90_000 });
    await Promise.all(
      initiators.map((each, i) => exercise(each, range(i), { seed: i, rounds: 40 })),
    );
    expect(endpoint.stats().connectionsOpen).toBe(3);
    expect(await Promise.all(initiators.map((each) => each.close()))).toEqual(
      Array(3).fill('confirmed'),
    );
    expect(told().sort()).toEqual(
      ['closed 1', 'closed 2', 'closed 3', 'opened 1', 'opened 2', 'opened 3'].sort(),
    );
  });

  it('two at once over wires that lose, repeat and reorder', async () => {
    const faults = ['loss=2%,dup=2%,reorder=2%'];
    const { endpoint } = rig({ faults, seed: 77 });
    const initiators = [1, 2].map((station) => new VirtualInitiator(endpoint, { station }));
    for (const each of initiators) expect(await each.open()).toMatchObject({ isOpen: true });
    await Promise.all(
      initiators.map((each, i) =>
        exercise(each, { from: i * 100_000, bytes: 100_000 }, { seed: i, rounds: 40 }),
      ),
    );
    expect(endpoint.stats().link.framesResent).toBeGreaterThan(0);
    expect(endpoint.stats().link.duplicates).toBeGreaterThan(0);
  });

  it('one sees what the other wrote', async () => {
    const { endpoint } = rig();
    const [writer, reader] = [1, 2].map((station) => new VirtualInitiator(endpoint, { station }));
    await writer!.open();
    await reader!.open();
    await writer!.write(500, bytesOf(2000, 9));
    expect(await reader!.read(500, 2000)).toEqual(bytesOf(2000, 9));
  });

  it('one that does not acknowledge does not hold up the others', async () => {
    const { endpoint, clock } = rig();
    const mute = new ScriptedPeer(endpoint, stationMac(9));
    mute.open();
    for (let seq = 2; seq < 200; seq++) {
      mute.send({ seq, seqAck: 4, messages: [{ channel: 1, opcode: 4, sizeLog2: 10 }] });
    }
    clock.advanceBy(10 * MILLISECOND);
    const initiator = new VirtualInitiator(endpoint, { station: 1 });
    await initiator.open();
    await exercise(initiator, { from: 0, bytes: 50_000 }, { seed: 1, rounds: 20 });
    expect(endpoint.stats().connectionsOpen).toBe(2);
  });
});

describe('as many initiators as are allowed', () => {
  async function full(options: Partial<MemoryEndpointOptions> = {}) {
    const made = rig({ maxConnections: 2, ...options });
    const initiators = [1, 2].map((station) => new VirtualInitiator(made.endpoint, { station }));
    for (const each of initiators) await each.open();
    return { ...made, initiators };
  }

  it('silently drops the frames of one more, counts them, and serves the others', async () => {
    const { endpoint, initiators, told } = await full();
    const third = new VirtualInitiator(endpoint, { station: 3 });
    expect(await third.open(3 * SECOND)).toEqual({ isOpen: false, reason: 'timedOut' });
    const { connections } = endpoint.stats();
    expect(connections.framesRefused).toBeGreaterThan(2);
    expect(connections.opened).toBe(2);
    // Told at most once a second, though it kept on asking.
    const refusals = told().filter((text) => text === 'refused 3');
    expect(refusals.length).toBeGreaterThanOrEqual(1);
    expect(refusals.length).toBeLessThanOrEqual(4);
    for (const each of initiators) expect(await each.read(0, 10)).toEqual(new Uint8Array(10));
  });

  it('takes one more as soon as another has closed', async () => {
    const { endpoint, initiators } = await full();
    await initiators[0]!.close();
    const third = new VirtualInitiator(endpoint, { station: 3 });
    expect(await third.open()).toMatchObject({ isOpen: true });
    expect(await initiators[1]!.read(0, 10)).toEqual(new Uint8Array(10));
  });

  it('gives up the connection that was silent longest, once that is five minutes', async () => {
    const { endpoint, initiators, clock, told } = await full();
    clock.advanceBy(250 * SECOND);
    await initiators[0]!.read(0, 10);
    clock.advanceBy(100 * SECOND);
    const third = new VirtualInitiator(endpoint, { station: 3 });
    expect(await third.open()).toMatchObject({ isOpen: true });
    expect(told()).toContain('reclaimed 2');
    expect(told()).not.toContain('reclaimed 1');
    expect(await initiators[0]!.read(0, 10)).toEqual(new Uint8Array(10));
  });

  it('keeps a silent connection as long as nobody needs its place', async () => {
    const { endpoint, initiators, clock } = await full();
    clock.advanceBy(3600 * SECOND);
    expect(endpoint.stats().connectionsOpen).toBe(2);
    expect(await initiators[1]!.read(0, 10)).toEqual(new Uint8Array(10));
  });
});

describe('an initiator that does not close', () => {
  it('is served again when it comes back, and finds its data', async () => {
    const { endpoint, told } = rig();
    const station = new Station(endpoint, 1);
    const first = new VirtualInitiator(endpoint, {}, station);
    await first.open();
    await first.write(0, bytesOf(5000, 1));
    first.crash();
    endpoint.clock.advanceBy(SECOND);
    const second = new VirtualInitiator(endpoint, {}, station);
    expect(await second.open()).toMatchObject({ isOpen: true });
    expect(await second.read(0, 5000)).toEqual(bytesOf(5000, 1));
    expect(told()).toEqual(['opened 1', 'restarted 1']);
  });

  it('is served again when it comes back at once', async () => {
    const { endpoint } = rig();
    const station = new Station(endpoint, 1);
    for (let life = 0; life < 5; life++) {
      const initiator = new VirtualInitiator(endpoint, {}, station);
      expect(await initiator.open()).toMatchObject({ isOpen: true });
      expect(await initiator.write(life * 100, bytesOf(100, life))).toBe(MemoryStatus.ok);
      initiator.crash();
    }
    const last = new VirtualInitiator(endpoint, {}, station);
    await last.open();
    for (let life = 0; life < 5; life++) {
      expect(await last.read(life * 100, 100)).toEqual(bytesOf(100, life));
    }
  });

  it('gets no answer to what it asked before, though answers were waiting for credits', async () => {
    const { endpoint } = rig();
    const peer = new ScriptedPeer(endpoint, stationMac(1));
    // Grants A only: answers wait.
    peer.talk([{ type: 2, seq: 0, ack: 0, channel: 1, credit: 20 }], 50);
    const get = (source: number) => ({ channel: 1, opcode: 4, sizeLog2: 3, source });
    peer.talk([{ seq: 1, seqAck: 4, messages: [get(1), get(2)] }], SECOND);
    // Opens anew, grants D, and asks, all in one batch.
    const heard = peer.talk(
      [
        { type: 2, seq: 0, ack: 0, channel: 1, credit: 20 },
        { seq: 1, seqAck: 0x3fffff, channel: 4, credit: 20, messages: [get(77)] },
      ],
      50,
    );
    const sources = heard.flatMap((frame) => frame.messages.map((message) => message.source));
    expect(sources).toEqual([77]);
  });

  it('is reported as lost when it acknowledges nothing, and as back when it does', async () => {
    const { endpoint, told } = rig();
    const peer = new ScriptedPeer(endpoint, stationMac(1));
    peer.open();
    const get = { channel: 1, opcode: 4, sizeLog2: 3 };
    peer.talk([{ seq: 2, seqAck: 4, messages: [get] }], 20 * SECOND);
    expect(told()).toEqual(['opened 1', 'lost 1']);
    peer.talk([{ seq: 3, seqAck: 5 }], 50);
    expect(told()).toEqual(['opened 1', 'lost 1', 'recovered 1']);
  });
});

describe('faults', () => {
  const content = bytesOf(150_000, 21);

  /** Writes 150 kB, reads them back, and tells what happened. */
  async function copyUnder(...faults: string[]) {
    const { endpoint, clock } = rig({ faults, seed: 5 });
    const initiator = new VirtualInitiator(endpoint);
    expect(await initiator.open()).toMatchObject({ isOpen: true });
    const start = clock.now();
    expect(await initiator.write(0, content)).toBe(MemoryStatus.ok);
    const found = await initiator.read(0, content.length);
    return { found, micros: clock.now() - start, stats: endpoint.stats() };
  }

  it.each([
    ['rx:loss=5%', 'naksSent', 'lost'],
    ['tx:loss=5%', 'framesResent', 'lost'],
    ['rx:dup=20%', 'duplicates', 'duplicated'],
    ['rx:reorder=10%', 'outOfOrder', 'reordered'],
  ] as const)('%s leaves its trace in %s and does no harm', async (spec, counter, fault) => {
    const { found, stats } = await copyUnder(spec);
    expect(found).toEqual(content);
    expect(stats.link[counter]).toBeGreaterThan(0);
    const { rx, tx } = stats.faults!;
    const [faulty, sound] = spec.startsWith('rx') ? [rx, tx] : [tx, rx];
    expect(faulty[fault]).toBeGreaterThan(0);
    expect(sound[fault]).toBe(0);
    expect(sound.frames).toBeGreaterThan(100);
  });

  it('are not counted where none are asked for', async () => {
    expect((await copyUnder()).stats.faults).toBeUndefined();
  });

  it('a delay takes its time', async () => {
    const quick = await copyUnder();
    const slow = await copyUnder('delay=20ms');
    expect(slow.found).toEqual(content);
    expect(slow.micros - quick.micros).toBeGreaterThanOrEqual(40 * MILLISECOND);
  });

  it('stalls are survived', async () => {
    const { found, micros } = await copyUnder('rx:stall=2%/300ms');
    expect(found).toEqual(content);
    expect(micros).toBeGreaterThan(200 * MILLISECOND);
  });

  it('a request that is denied by chance fails, and others do not', async () => {
    const { endpoint } = rig({ faults: ['deny=20%'], seed: 8 });
    const initiator = new VirtualInitiator(endpoint);
    await initiator.open();
    const results: (Uint8Array | MemoryStatus)[] = [];
    for (let i = 0; i < 100; i++) results.push(await initiator.read(i * 8, 8));
    const denied = results.filter((result) => result === MemoryStatus.denied).length;
    expect(denied).toBeGreaterThan(5);
    expect(denied).toBeLessThan(40);
    expect(endpoint.stats().responder.denied).toBe(denied);
    expect(results.filter((result) => result instanceof Uint8Array)).toHaveLength(100 - denied);
  });

  it('are the same for the same seed', async () => {
    const run = async (seed: number): Promise<unknown> => {
      const { endpoint, clock } = rig({ faults: ['loss=5%,dup=5%'], seed });
      const initiator = new VirtualInitiator(endpoint);
      await initiator.open();
      await exercise(initiator, { from: 0, bytes: 50_000 }, { seed: 1, rounds: 10 });
      return [endpoint.stats(), clock.now()];
    };
    expect(await run(3)).toEqual(await run(3));
    expect(await run(3)).not.toEqual(await run(4));
  });
});

describe('numbers that wrap', () => {
  it('are continued from 2^22 - 1 to 0', async () => {
    const clock = new VirtualClock();
    const helper: VirtualEndpoint = createVirtualEndpoint({ sizeBytes: 8 }, clock);
    const firstSequenceNumber = 2 ** 22 - 20;
    const transport = helper.attach({ mac: stationMac(0x0c) });
    const endpoint = new Endpoint(endpointConfig({ firstSequenceNumber }), {
      transport,
      clock,
      memory: new SparseMemory(SIZE),
    });
    endpoint.start();
    const initiator = new VirtualInitiator(
      { ...helper, endpointMac: endpoint.mac },
      { link: { firstSequenceNumber } },
    );
    expect(await initiator.open()).toMatchObject({ isOpen: true });
    await exercise(initiator, { from: 0, bytes: 100_000 }, { seed: 2, rounds: 20 });
    expect(endpoint.stats().framesSent).toBeGreaterThan(40);
  });
});

describe('the transport fails', () => {
  it('is told once, and the endpoint is closed', () => {
    const clock = new VirtualClock();
    const events: string[] = [];
    const helper = createVirtualEndpoint({ sizeBytes: 8 }, clock);
    const transport = helper.attach({ mac: stationMac(0x0c) });
    const endpoint = composeEndpoint(
      { sizeBytes: SIZE, onEvent: (event) => events.push(nameOf(event)) },
      { transport, clock },
    );
    endpoint.start();
    transport.fail(new Error('the interface is gone'));
    expect(events).toEqual(['failed']);
    endpoint.close();
    clock.advanceBy(SECOND);
    expect(events).toEqual(['failed']);
  });
});

describe('options', () => {
  const clock = new VirtualClock();
  const build = (options: Partial<MemoryEndpointOptions>): void => {
    createVirtualEndpoint({ sizeBytes: SIZE, ...options }, clock);
  };

  it.each([
    [{ sizeBytes: 0 }, 'sizeBytes'],
    [{ sizeBytes: 1.5 }, 'sizeBytes'],
    [{ base: { high: 0xffffffff, low: 0xfff00008 } }, '64 bits'],
    [{ maxAccessBytes: 48 }, 'maxAccessBytes'],
    [{ maxAccessBytes: 8192 }, 'maxAccessBytes'],
    [{ faults: ['lost=1%'] }, '"lost" is not one of'],
  ])('%j cannot be fulfilled and say so', (options, text) => {
    expect(() => build(options)).toThrow(RangeError);
    expect(() => build(options)).toThrow(text);
  });

  it('must not make the endpoint look like another device', () => {
    expect(() => endpointConfig({ grantExponents: [0, 10, 12, 12, 12, 12] })).toThrow('2^10');
  });
});

describe('a busy endpoint', () => {
  it('lets the event queue run dry when everything is done', async () => {
    const { endpoint, clock } = rig();
    const initiator = new VirtualInitiator(endpoint);
    await initiator.open();
    const buffers = Array.from({ length: 8 }, () => ByteRegion.allocate(65_536));
    const reads = buffers.map((buffer, i) => initiator.start(RequestKind.read, i * 65_536, buffer));
    await until(clock, Promise.all(reads));
    const start: Micros = clock.now();
    clock.advanceBy(SECOND);
    const events = clock.eventsRun;
    clock.advanceBy(10 * SECOND);
    expect(clock.eventsRun - events).toBe(0);
    expect(clock.now() - start).toBe(11 * SECOND);
  });
});
