/**
 * Dialogues written frame by frame: what an endpoint answers, to the bit where it is determined.
 * What every endpoint must do, however it says it, stands in the dialogues of `oxmem-tloe check`, which
 * this one passes (packages/oxmem-tloe/test/matrix.sim.test.ts).
 *
 * The header words are those of OmniXtend 1.0.3 figure 9 with the message types of the 1.1 proposal.
 */
import {
  Channel,
  FrameType,
  MILLISECOND,
  OpcodeA,
  OpcodeC,
  OpcodeD,
  SECOND,
  PEER_PROFILES,
} from '@oxmem/tloe-protocol';
import { VirtualClock } from '@oxmem/tloe-protocol/testing';
import { describe, expect, it } from 'vitest';
import {
  createPatternMemory,
  createVirtualEndpoint,
  patternByte,
  type EndpointEvent,
  type MemoryEndpointOptions,
} from '../src/index.ts';
import { OPEN, ScriptedPeer, hex, type HeardFrame, type ScriptedMessage } from './scripted-peer.ts';

const GRANTS = [
  '00 00 00 00 00 00 02 2f',
  '00 00 00 01 00 00 02 4c',
  '00 00 00 02 00 00 02 6c',
  '00 00 00 03 00 00 02 93',
  '00 00 00 04 00 00 02 ac',
];
const SIZE = 2 ** 16;

function rig(options: Partial<MemoryEndpointOptions> = {}) {
  const clock = new VirtualClock();
  const events: EndpointEvent['type'][] = [];
  const endpoint = createVirtualEndpoint(
    {
      sizeBytes: SIZE,
      memory: createPatternMemory(SIZE),
      // The script speaks like a known driver, but is to be treated like one that keeps the rules.
      profile: PEER_PROFILES.generic,
      onEvent: (event) => events.push(event.type),
      ...options,
    },
    clock,
  );
  return { clock, endpoint, events, peer: new ScriptedPeer(endpoint) };
}

const headers = (frames: readonly HeardFrame[]): string[] => frames.map((frame) => frame.header);

/** A connection with its opening frames acknowledged; requests are numbered from 2 on. */
function opened(options: Partial<MemoryEndpointOptions> = {}) {
  const made = rig(options);
  made.peer.open();
  let seq = 1;
  let seqAck = 4;
  const ask = (...messages: ScriptedMessage[]): HeardFrame[] => {
    seq++;
    const heard = made.peer.talk([{ seq, seqAck, messages }], 50);
    for (const frame of heard) if (frame.type !== FrameType.ackOnly) seqAck = frame.seq;
    return heard;
  };
  return { ...made, ask };
}

function get(addressLow: number, sizeLog2: number, source = 1): ScriptedMessage {
  return { channel: Channel.A, opcode: OpcodeA.get, addressLow, sizeLog2, source };
}

function put(addressLow: number, bytes: readonly number[], source = 1): ScriptedMessage {
  const sizeLog2 = Math.log2(bytes.length);
  const body = Uint8Array.from(bytes);
  return { channel: Channel.A, opcode: OpcodeA.putFullData, addressLow, sizeLog2, source, body };
}

function pattern(offset: number, length: number): number[] {
  return Array.from({ length }, (_, i) => patternByte(offset + i));
}

describe('opening', () => {
  it('answers an Open with five grants, A to E, that acknowledge it', () => {
    const { peer, events } = rig();
    expect(headers(peer.talk([OPEN], 50))).toEqual(GRANTS);
    expect(events).toEqual(['opened']);
  });

  it('pads its frames to 70 bytes', () => {
    const { peer } = rig();
    for (const frame of peer.talk([OPEN], 50)) expect(frame.hex.split(' ')).toHaveLength(56);
  });

  it('never grants 2^10, by which other devices are known', () => {
    const { peer } = rig();
    for (const frame of peer.talk([OPEN], 50)) {
      const credit = parseInt(frame.header.slice(-2), 16) & 0x1f;
      expect(credit).toBeGreaterThanOrEqual(8);
      expect(credit).not.toBe(10);
    }
  });

  it('acknowledges a frame without messages by an AckOnly with its next number', () => {
    const { peer } = rig();
    peer.talk([OPEN], 50);
    const heard = peer.talk([{ seq: 1, channel: 4, credit: 20 }], 2 * MILLISECOND);
    expect(headers(heard)).toEqual(['02 00 00 05 00 00 06 00']);
  });

  it('repeats its grants until they are acknowledged, eight times, and then waits', () => {
    const { peer, endpoint } = rig();
    peer.talk([OPEN], 50);
    const heard = peer.talk([], 30 * SECOND);
    expect(new Set(headers(heard))).toEqual(new Set(GRANTS));
    const first = heard.filter((frame) => frame.seq === 0).length;
    expect(first).toBeGreaterThanOrEqual(5);
    expect(first).toBeLessThanOrEqual(8);
    expect(peer.talk([], 60 * SECOND)).toEqual([]);
    expect(endpoint.stats().connectionsOpen).toBe(1);
  });

  it('goes on repeating when the peer speaks again', () => {
    const { peer } = rig();
    peer.talk([OPEN], 100 * SECOND);
    const heard = peer.talk([{ seq: 1 }], 2 * SECOND);
    expect(headers(heard)).toContain('00 00 00 00 00 00 06 2f');
  });

  it('resends its grants as they were when an Open that says NAK is repeated', () => {
    const { peer, endpoint, events } = rig();
    peer.talk([OPEN], 50);
    expect(headers(peer.talk([OPEN], 50))).toEqual(GRANTS);
    expect(events).toEqual(['opened']);
    expect(endpoint.stats().link).toMatchObject({ duplicates: 1, framesResent: 5 });
  });

  it('acknowledges a repeated Open that says ACK, and keeps the connection', () => {
    const { peer, endpoint, events } = rig();
    peer.talk([{ ...OPEN, ack: 1 }], 50);
    const heard = peer.talk([{ ...OPEN, ack: 1 }], 50);
    expect(headers(heard)).toEqual(['02 00 00 05 00 00 02 00']);
    expect(events).toEqual(['opened']);
    expect(endpoint.stats().link).toMatchObject({ duplicates: 1, framesResent: 0 });
  });

  it('takes an Open after messages and a pause for a restart, and begins anew', () => {
    const { peer, ask, clock, events } = opened();
    ask(get(0, 3));
    clock.advanceBy(SECOND);
    peer.talk([], 0);
    expect(headers(peer.talk([OPEN], 50))).toEqual(GRANTS);
    expect(events).toEqual(['opened', 'restarted']);
  });

  it('ignores an Open with another number', () => {
    const { peer, endpoint } = rig();
    expect(peer.talk([{ ...OPEN, seq: 1 }], SECOND)).toEqual([]);
    expect(endpoint.stats()).toMatchObject({
      connectionsOpen: 0,
      connections: { framesUnconnected: 1, opened: 0 },
    });
  });

  it('ignores an Open on another virtual channel', () => {
    const { peer, endpoint, clock } = rig();
    const bytes = peer.bytesOf(OPEN);
    bytes[14] = (bytes[14] as number) | 0x20;
    peer.sendBytes(bytes);
    clock.advanceBy(SECOND);
    expect(endpoint.stats().connectionsOpen).toBe(0);
  });

  it.each([
    ['with a lying frame mask', (bytes: Uint8Array) => bytes.fill(1, -1)],
    ['with something in its padding', (bytes: Uint8Array) => bytes.fill(0xff, 22, 30)],
    ['that is cut short', (bytes: Uint8Array) => bytes.subarray(0, 20)],
  ])('drops an Open %s and keeps no connection for it', (_, spoil) => {
    const { peer, endpoint, events, clock } = rig();
    peer.sendBytes(spoil(peer.bytesOf(OPEN)));
    clock.advanceBy(SECOND);
    expect(peer.talk([], 0)).toEqual([]);
    expect(endpoint.stats().connectionsOpen).toBe(0);
    expect(Object.values(endpoint.stats().rejected)).toEqual([1]);
    expect(events).toEqual([]);
  });

  it('answers nothing that comes before an Open', () => {
    const { peer, endpoint } = rig();
    const types = [FrameType.normal, FrameType.ackOnly, FrameType.close];
    const frames = types.map((type) => ({ type, seq: 0, messages: [get(0, 3)] }));
    expect(peer.talk(frames, SECOND)).toEqual([]);
    expect(endpoint.stats().connections.framesUnconnected).toBe(3);
  });

  it('answers no frame for another address or from no station', () => {
    const { peer, endpoint, clock } = rig();
    const bytes = peer.bytesOf(OPEN);
    bytes[5] = 0xff;
    peer.sendBytes(bytes);
    for (const source of [Uint8Array.of(1, 0, 0, 0, 0, 1), new Uint8Array(6)]) {
      const foreign = peer.bytesOf(OPEN);
      foreign.set(source, 6);
      peer.sendBytes(foreign);
    }
    clock.advanceBy(SECOND);
    expect(endpoint.stats().connectionsOpen).toBe(0);
    expect(endpoint.stats().rejected).toEqual({ foreignDestination: 1, foreignSource: 2 });
  });
});

describe('serving', () => {
  it('answers a Get with its data, raw, and returns its credits on the answer', () => {
    const { ask } = opened();
    const [answer, ...rest] = ask(get(0x400, 10, 1));
    expect(rest).toEqual([]);
    expect(answer?.header).toBe('00 00 00 05 00 00 0a 21');
    expect(answer?.hex.slice(24, 47)).toBe('42 0a 00 00 00 00 00 01');
    expect([...(answer?.messages[0]?.body ?? [])]).toEqual(pattern(0x400, 1024));
  });

  it('answers a PutFullData with an AccessAck of the same size and source', () => {
    const { ask } = opened();
    const [answer] = ask(put(0x100, [1, 2, 3, 4, 5, 6, 7, 8], 0x2345678));
    expect(answer?.hex.slice(24, 47)).toBe('40 03 00 00 02 34 56 78');
    const [read] = ask(get(0x100, 3));
    expect([...(read?.messages[0]?.body ?? [])]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('reverses the bytes of each word in data order spec', () => {
    const { ask } = opened({ dataOrder: 'spec' });
    const [first] = ask(get(0, 3));
    expect([...(first?.messages[0]?.body ?? [])]).toEqual(pattern(0, 8).reverse());
    ask(put(0x10, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]));
    const [byte] = ask(get(0x10, 0));
    expect([...(byte?.messages[0]?.body ?? [])]).toEqual([0, 0, 0, 0, 0, 0, 0, 8]);
    const [last] = ask(get(0x1f, 0));
    expect([...(last?.messages[0]?.body ?? [])]).toEqual([9, 0, 0, 0, 0, 0, 0, 0]);
  });

  it.each([
    ['PutPartialData', OpcodeA.putPartialData, OpcodeD.accessAck],
    ['ArithmeticData', OpcodeA.arithmeticData, OpcodeD.accessAckData],
    ['LogicalData', OpcodeA.logicalData, OpcodeD.accessAckData],
    ['Intent', OpcodeA.intent, OpcodeD.hintAck],
    ['Get', OpcodeA.get, OpcodeD.accessAckData],
    ['PutFullData', OpcodeA.putFullData, OpcodeD.accessAck],
  ])('serves %s', (_, opcode, answerOpcode) => {
    const { ask } = opened();
    const [answer] = ask({ channel: Channel.A, opcode, sizeLog2: 3, source: 77, addressLow: 8 });
    expect(answer?.messages).toMatchObject([
      { channel: 'D', opcode: answerOpcode, sizeLog2: 3, source: 77, denied: false },
    ]);
  });

  it.each([
    ['AcquireBlock', OpcodeA.acquireBlock],
    ['AcquirePerm', OpcodeA.acquirePerm],
  ])('refuses %s with a Grant of nothing', (_, opcode) => {
    const { ask } = opened();
    const [answer] = ask({ channel: Channel.A, opcode, sizeLog2: 6, source: 78 });
    expect(answer?.messages).toMatchObject([
      { channel: 'D', opcode: OpcodeD.grant, sizeLog2: 6, source: 78, denied: true, param: 2 },
    ]);
  });

  it.each([
    ['Release', OpcodeC.release],
    ['ReleaseData', OpcodeC.releaseData],
  ])('acknowledges %s', (_, opcode) => {
    const { ask } = opened();
    const [answer] = ask({ channel: Channel.C, opcode, sizeLog2: 3, source: 79 });
    expect(answer?.messages).toMatchObject([
      { channel: 'D', opcode: OpcodeD.releaseAck, sizeLog2: 3, source: 79, denied: false },
    ]);
  });

  it('is silent about messages that answer nothing of its own', () => {
    const { ask, endpoint } = opened();
    const heard = ask(
      { channel: Channel.C, opcode: OpcodeC.probeAck, sizeLog2: 3 },
      { channel: Channel.E, opcode: 0 },
    );
    expect(heard.flatMap((frame) => frame.messages)).toEqual([]);
    expect(endpoint.stats().responder.unexpected).toBe(1);
  });

  it('serves requests with the same source one by one', () => {
    const { ask } = opened();
    const answers = ask(get(0, 3, 0), get(8, 3, 0)).flatMap((frame) => frame.messages);
    expect(answers.map((answer) => [...answer.body])).toEqual([pattern(0, 8), pattern(8, 8)]);
  });

  it('serves a write before the read behind it', () => {
    const { ask } = opened();
    const answers = ask(put(0, [9, 9, 9, 9, 9, 9, 9, 9]), get(0, 3)).flatMap((f) => f.messages);
    expect(answers.map((answer) => hex(answer.body))).toEqual(['', '09 09 09 09 09 09 09 09']);
  });
});

describe('refusing', () => {
  const denied = [{ denied: true }];

  it('denies a Get outside the memory, with an answer of full length', () => {
    const { ask } = opened();
    const [answer] = ask(get(SIZE, 6));
    expect(answer?.hex.slice(24, 47)).toBe('42 06 00 c0 00 00 00 01');
    expect([...(answer?.messages[0]?.body ?? [])]).toEqual(Array(64).fill(0));
  });

  it('denies what begins inside the memory and ends outside', () => {
    const { ask } = opened({ sizeBytes: 100, memory: createPatternMemory(100) });
    expect(ask(get(96, 3))[0]?.messages).toMatchObject(denied);
    expect(ask(get(88, 3))[0]?.messages).toMatchObject([{ denied: false }]);
  });

  it('denies addresses below the base, and serves the base', () => {
    const { ask } = opened({ base: { high: 0x80000000, low: 0x10 } });
    expect(ask(get(8, 3))[0]?.messages).toMatchObject(denied);
    const [below] = ask({ ...get(8, 3), addressHigh: 0x80000000 });
    expect(below?.messages).toMatchObject(denied);
    const [first] = ask({ ...get(0x10, 3), addressHigh: 0x80000000 });
    expect([...(first?.messages[0]?.body ?? [])]).toEqual(pattern(0, 8));
  });

  it('wraps addresses around the memory when it is told to', () => {
    const { ask } = opened({ range: 'wrap' });
    const [answer] = ask({ ...get(0x20, 3), addressHigh: 5 });
    expect([...(answer?.messages[0]?.body ?? [])]).toEqual(pattern(0x20, 8));
  });

  it('denies unaligned accesses, or serves them when it is told to', () => {
    expect(opened().ask(get(4, 3))[0]?.messages).toMatchObject(denied);
    const [answer] = opened({ alignment: 'allow' }).ask(get(4, 3));
    expect([...(answer?.messages[0]?.body ?? [])]).toEqual(pattern(4, 8));
  });

  it('denies accesses above the largest that it serves', () => {
    const { ask } = opened({ maxAccessBytes: 64 });
    expect(ask(get(0, 7))[0]?.messages).toMatchObject(denied);
    expect(ask(get(0, 6))[0]?.messages).toMatchObject([{ denied: false }]);
  });

  it('denies a Get whose answer no frame could carry', () => {
    const { ask, endpoint } = opened();
    expect(endpoint.endpoint.maxAccessLog2).toBe(10);
    expect(ask(get(0, 11))[0]?.messages).toMatchObject(denied);
    expect(ask(get(0, 15))[0]?.messages).toMatchObject(denied);
  });

  it('denies requests by chance when it is told to', () => {
    const { ask, endpoint } = opened({ faults: ['deny=100%'] });
    expect(ask(get(0, 3))[0]?.messages).toMatchObject(denied);
    expect(ask(put(0, [1]))[0]?.messages).toMatchObject(denied);
    expect(endpoint.stats().responder.denied).toBe(2);
  });
});

describe('order', () => {
  it('says NAK once for a gap and runs nothing behind it', () => {
    const { peer, endpoint } = opened();
    const heard = peer.talk(
      [
        { seq: 3, seqAck: 4, messages: [get(0, 3)] },
        { seq: 4, seqAck: 4, messages: [get(0, 3)] },
      ],
      50,
    );
    expect(headers(heard)).toEqual(['02 00 00 05 00 00 04 00']);
    expect(endpoint.stats().responder.gets).toBe(0);
  });

  it('runs a repeated frame once and acknowledges it again', () => {
    const { peer, endpoint } = opened();
    const frame = { seq: 2, seqAck: 4, messages: [get(0, 3)] };
    peer.talk([frame], 50);
    const heard = peer.talk([{ ...frame, seqAck: 5 }], 50);
    expect(headers(heard)).toEqual(['02 00 00 06 00 00 0a 00']);
    expect(endpoint.stats().responder.gets).toBe(1);
  });

  it('resends an answer that is not acknowledged, with number and credit as they were', () => {
    const { peer } = opened();
    const [answer] = peer.talk([{ seq: 2, seqAck: 4, messages: [get(0, 3)] }], 50);
    const [again] = peer.talk([], SECOND);
    expect(again?.hex).toBe(answer?.hex);
  });
});

describe('closing', () => {
  const close = { type: FrameType.close, seq: 2, seqAck: 4 };

  it('answers a Close with a Close that acknowledges it', () => {
    const { peer, events } = opened();
    expect(headers(peer.talk([close], 50))).toEqual(['06 00 00 05 00 00 0a 00']);
    expect(events).toEqual(['opened', 'closed']);
  });

  it('forgets the connection when its own Close is acknowledged', () => {
    const { peer, endpoint } = opened();
    peer.talk([close], 50);
    expect(endpoint.stats().connectionsOpen).toBe(1);
    peer.talk([{ type: FrameType.ackOnly, seq: 3, seqAck: 5 }], 50);
    expect(endpoint.stats().connectionsOpen).toBe(0);
    expect(endpoint.stats().connections.closed).toBe(1);
  });

  it('repeats its Close for a while if it is not acknowledged, and then forgets', () => {
    const { peer, endpoint } = opened();
    peer.talk([close], 50);
    const heard = peer.talk([], 10 * SECOND);
    expect(new Set(headers(heard))).toEqual(new Set(['06 00 00 05 00 00 0a 00']));
    expect(heard.length).toBeGreaterThanOrEqual(2);
    expect(endpoint.stats().connectionsOpen).toBe(0);
  });

  it('says its Close again when the peer repeats its own', () => {
    const { peer } = opened();
    peer.talk([close], 50);
    const heard = peer.talk([close], 300 * MILLISECOND);
    expect(headers(heard)).toContain('06 00 00 05 00 00 0a 00');
  });

  it('takes a new Open after a Close, but not a late copy of the old one', () => {
    const { peer, events } = opened();
    peer.talk([close], 50);
    expect(headers(peer.talk([OPEN], 50))).not.toEqual(GRANTS);
    peer.talk([], 100 * MILLISECOND);
    expect(headers(peer.talk([OPEN], 50))).toEqual(GRANTS);
    expect(events).toEqual(['opened', 'closed', 'restarted']);
  });

  it('never closes by itself, also when the peer is silent for an hour', () => {
    const { peer, endpoint } = opened();
    peer.talk([], 50 * MILLISECOND);
    const heard = peer.talk([], 3600 * SECOND);
    expect(heard.filter((frame) => frame.type === FrameType.close)).toEqual([]);
    expect(endpoint.stats().connectionsOpen).toBe(1);
  });

  it('says nothing when it is stopped', () => {
    const { peer, endpoint } = opened();
    endpoint.close();
    expect(peer.talk([], SECOND)).toEqual([]);
    expect(peer.open(SECOND)).toEqual([]);
  });
});
