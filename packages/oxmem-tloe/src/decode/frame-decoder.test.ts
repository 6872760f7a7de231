import { Channel, OpcodeA, OpcodeC, OpcodeD, plainFrameBytes } from '@oxmem/tloe-protocol';
import { describe, expect, it } from 'vitest';
import { DecodedTalk } from '../../test/decoded-talk.ts';
import type { DecodedFrame } from './decoded-frame.ts';
import { summaryOf } from './summary.ts';
import type { Violation } from './violation.ts';

const { A, B, C, D, E } = Channel;
const get = { channel: A, opcode: OpcodeA.get, sizeLog2: 3, source: 7 };
const data = { channel: D, opcode: OpcodeD.accessAckData, sizeLog2: 3, source: 7 };
const put = { channel: A, opcode: OpcodeA.putFullData, sizeLog2: 3, source: 8 };
const ack = { channel: D, opcode: OpcodeD.accessAck, sizeLog2: 3, source: 8 };

describe('requests and answers', () => {
  it('an answer names the frame of its request and how long it took', () => {
    const talk = new DecodedTalk().open();
    talk.ask({ sequenceNumber: 2, sequenceNumberAck: 1, messages: [get, put] });
    const { messages } = talk.answer({
      sequenceNumber: 2,
      sequenceNumberAck: 2,
      messages: [ack, data],
    });
    const answers = { frame: 5, latencyNanos: 100_000 };
    expect(messages).toMatchObject([{ answers }, { answers }]);
  });

  it('answers of A and C are told apart, and probes and grants are followed', () => {
    const talk = new DecodedTalk().open();
    const acquire = { ...get, opcode: OpcodeA.acquireBlock, param: 1 };
    const release = { channel: C, opcode: OpcodeC.release, sizeLog2: 3, source: 7, param: 1 };
    const probe = { channel: B, opcode: 6, sizeLog2: 3, addressLow: 64 };
    talk.ask({
      sequenceNumber: 2,
      sequenceNumberAck: 1,
      channel: B,
      credit: 4,
      messages: [acquire, release],
    });
    const grant = { channel: D, opcode: OpcodeD.grant, sizeLog2: 3, source: 7, sink: 3 };
    const released = { channel: D, opcode: OpcodeD.releaseAck, sizeLog2: 3, source: 7 };
    const answered = talk.answer({
      sequenceNumber: 2,
      sequenceNumberAck: 2,
      channel: E,
      credit: 4,
      messages: [released, grant, probe],
    });
    expect(answered.messages.map(({ answers }) => answers?.frame)).toEqual([5, 5, undefined]);
    const probeAck = {
      channel: C,
      opcode: OpcodeC.probeAck,
      sizeLog2: 3,
      addressLow: 64,
      param: 5,
    };
    const last = talk.ask({
      sequenceNumber: 3,
      sequenceNumberAck: 2,
      messages: [probeAck, { channel: E, opcode: 0, sink: 3 }],
    });
    expect(last.messages.map(({ answers }) => answers?.frame)).toEqual([6, 6]);
    expect([...answered.violations, ...last.violations]).toEqual([]);
  });

  it('requests under one source are answered in their order', () => {
    const talk = new DecodedTalk().open();
    talk.ask({ sequenceNumber: 2, sequenceNumberAck: 1, messages: [get] });
    talk.ask({ sequenceNumber: 3, sequenceNumberAck: 1, messages: [get] });
    const first = talk.answer({ sequenceNumber: 2, sequenceNumberAck: 3, messages: [data] });
    const second = talk.answer({ sequenceNumber: 3, sequenceNumberAck: 3, messages: [data] });
    expect(first.messages[0]?.answers?.frame).toBe(5);
    expect(second.messages[0]?.answers?.frame).toBe(6);
  });

  it('what was resent is answered since its first frame', () => {
    const talk = new DecodedTalk().open();
    const frame = { sequenceNumber: 2, sequenceNumberAck: 1, messages: [get] };
    talk.ask(frame);
    expect(talk.ask(frame).marks).toEqual(['resent']);
    const { messages } = talk.answer({ sequenceNumber: 2, sequenceNumberAck: 2, messages: [data] });
    expect(messages).toMatchObject([{ answers: { frame: 5, latencyNanos: 200_000 } }]);
  });
});

describe('numbers', () => {
  it('a frame that comes again is resent, or a duplicate once it was acknowledged', () => {
    const talk = new DecodedTalk().open();
    talk.ask({ sequenceNumber: 2, sequenceNumberAck: 1 });
    expect(talk.ask({ sequenceNumber: 2, sequenceNumberAck: 1 }).marks).toEqual(['resent']);
    talk.answer({ type: 1, sequenceNumber: 2, sequenceNumberAck: 2 });
    expect(talk.ask({ sequenceNumber: 2, sequenceNumberAck: 1 }).marks).toEqual(['duplicate']);
  });

  it('a gap says how many are missing, and what fills it comes late', () => {
    const talk = new DecodedTalk().open();
    const ahead = talk.ask({ sequenceNumber: 5, sequenceNumberAck: 1 });
    expect(ahead).toMatchObject({ marks: ['gap'], missing: 3 });
    const nak = talk.answer({ type: 1, sequenceNumber: 2, sequenceNumberAck: 1, ack: 0 });
    expect(nak.marks).toEqual(['nak']);
    for (const sequenceNumber of [3, 2, 4]) {
      expect(talk.ask({ sequenceNumber, sequenceNumberAck: 1 }).marks).toEqual(['late']);
    }
    expect(talk.ask({ sequenceNumber: 5, sequenceNumberAck: 1 }).marks).toEqual(['resent']);
    const [connection] = summaryOf(talk.decoder).connections;
    expect(connection?.to_endpoint).toMatchObject({ gaps: 1, missing: 0, repeated: 1 });
  });

  it('go on past the last one', () => {
    const talk = new DecodedTalk();
    talk.ask({ sequenceNumber: 0x3ffffe });
    for (const sequenceNumber of [0x3fffff, 0, 1]) {
      expect(talk.ask({ sequenceNumber }).marks).toEqual([]);
    }
  });

  it('begin again with an Open, but not with one that is resent', () => {
    const talk = new DecodedTalk();
    const open = { type: 2, channel: 4, credit: 10 };
    talk.ask(open);
    expect(talk.ask(open).marks).toEqual(['resent']);
    talk.answer({ sequenceNumberAck: 0, channel: 1, credit: 10 });
    talk.ask({ sequenceNumber: 1, sequenceNumberAck: 0, messages: [get] });
    expect(talk.ask(open).marks).toEqual(['reopened']);
    expect(talk.ask({ sequenceNumber: 1 }).marks).toEqual([]);
    expect(talk.ask({ type: 3, sequenceNumber: 2 }).marks).toEqual([]);
    expect(talk.ask(open).marks).toEqual(['reopened']);
  });

  it('that were never seen and are acknowledged are pointed out', () => {
    const talk = new DecodedTalk().open();
    const unseen = talk.answer({ type: 1, sequenceNumber: 2, sequenceNumberAck: 9 });
    expect(unseen.marks).toEqual(['acks-unseen']);
  });
});

describe('frames', () => {
  const macs = { destination: new Uint8Array(6).fill(2), source: new Uint8Array(6).fill(4) };
  const whole = plainFrameBytes({
    ...macs,
    sequenceNumber: 3,
    sequenceNumberAck: 2,
    messages: [get, { ...put, sizeLog2: 6 }, { ...get, source: 9 }],
  });

  it('that a capture cut short show as much as there is, and break nothing', () => {
    for (let kept = 22; kept < whole.length; kept++) {
      const frame = new DecodedTalk().record(whole.slice(0, kept), whole.length);
      expect(frame).toMatchObject({ marks: ['cut'], violations: [] });
      expect(frame?.header?.sequenceNumber).toBe(3);
      const heads = [22 + 16, 22 + 16 + 16, 22 + 16 + 80 + 16].filter((end) => end <= kept);
      expect(frame?.messages).toHaveLength(heads.length);
    }
    expect(new DecodedTalk().record(whole.slice(0, 21), whole.length)).toMatchObject({
      header: undefined,
      violations: [],
    });
  });

  it('may have VLAN tags and bytes behind the mask', () => {
    const tag = [0x81, 0x00, 0x00, 0x07];
    const tagged = Uint8Array.of(
      ...whole.slice(0, 12),
      ...tag,
      ...tag,
      ...whole.slice(12),
      1,
      2,
      3,
      4,
    );
    const frame = new DecodedTalk().record(tagged);
    expect(frame).toMatchObject({ header: { sequenceNumber: 3 }, violations: [] });
    expect(frame?.messages).toHaveLength(3);
  });

  it('of others are counted and passed over', () => {
    const talk = new DecodedTalk({ mac: Uint8Array.of(2, 0, 0, 0, 0, 0x0a) });
    expect(talk.record(Uint8Array.of(...whole.slice(0, 12), 8, 0, 1, 2))).toBeUndefined();
    expect(talk.record(new Uint8Array(10))).toBeUndefined();
    expect(talk.record(whole)).toBeUndefined();
    const record = { seconds: 0, nanos: 0, linkType: 276, bytes: whole, originalBytes: 100 };
    expect(talk.decoder.decode(record)).toBeUndefined();
    talk.open();
    const { counts } = talk.decoder;
    expect(counts).toMatchObject({
      frames: 8,
      tloe: 4,
      foreign: 2,
      otherStations: 1,
      notEthernet: 1,
    });
  });

  it('of more stations than are kept apart do not take more memory', () => {
    const talk = new DecodedTalk({ maxConnections: 4 });
    for (let station = 0; station < 10; station++) {
      talk.record(
        plainFrameBytes({
          ...macs,
          source: Uint8Array.of(2, 0, 0, 0, 1, station),
          sequenceNumber: 0,
          sequenceNumberAck: 0,
        }),
      );
    }
    expect(talk.decoder.conversations().map(({ number }) => number)).toEqual([7, 8, 9, 10]);
    expect(talk.decoder.counts.connectionsForgotten).toBe(6);
  });

  it('of other EtherTypes are decoded when they are asked for', () => {
    const other = whole.slice();
    other.set([0x89, 0x25], 12);
    expect(new DecodedTalk().record(other)).toBeUndefined();
    expect(new DecodedTalk({ etherType: 0x8925 }).record(other)?.messages).toHaveLength(3);
  });
});

/** For each violation a frame that commits it, and nothing else. */
const OFFENCES: Readonly<Record<Violation, (talk: DecodedTalk) => DecodedFrame>> = {
  'short-frame': (talk) => talk.ask({ sequenceNumber: 2 }, (bytes) => bytes.subarray(0, 54)),
  'unknown-type': (talk) => talk.ask({ type: 9, sequenceNumber: 2 }),
  'reserved-bits': (talk) =>
    talk.ask({ sequenceNumber: 2 }, (bytes) => {
      bytes[20] = (bytes[20] as number) | 1;
      return bytes;
    }),
  'unknown-message': (talk) => talk.ask({ sequenceNumber: 2 }, (bytes) => bytes.fill(0x70, 22, 23)),
  'dirty-padding': (talk) => talk.ask({ sequenceNumber: 2 }, (bytes) => bytes.fill(1, 29, 30)),
  'long-message': (talk) =>
    talk.ask({ sequenceNumber: 2, messages: [{ ...put, sizeLog2: 6 }] }, (bytes) =>
      bytes.subarray(0, 70),
    ),
  'late-start': (talk) =>
    talk.ask({ sequenceNumber: 2, messages: [{ ...put, sizeLog2: 9 }] }, (bytes) => {
      const longer = new Uint8Array(bytes.length + 16);
      longer.set(bytes.subarray(0, -8));
      longer.set([0x18, 3], bytes.length - 8);
      longer.set(bytes.subarray(-8), bytes.length + 8);
      return longer;
    }),
  'wrong-mask': (talk) => talk.ask({ sequenceNumber: 2 }, (bytes) => bytes.fill(1, -1)),
  'open-number': (talk) => talk.ask({ type: 2, sequenceNumber: 3, messages: [] }),
  'ack-only-number': (talk) => talk.ask({ type: 1, sequenceNumber: 9, sequenceNumberAck: 1 }),
  'ack-only-credit': (talk) =>
    talk.ask({ type: 1, sequenceNumber: 2, sequenceNumberAck: 1, channel: D, credit: 1 }),
  'backward-ack': (talk) => talk.ask({ sequenceNumber: 2, sequenceNumberAck: 0 }),
  'acked-unsent': (talk) => {
    talk.answer({ type: 1, sequenceNumber: 2, sequenceNumberAck: 2 });
    return talk.ask({ sequenceNumber: 2, sequenceNumberAck: 1 });
  },
  'credit-channel': (talk) =>
    talk.ask({ sequenceNumber: 2, sequenceNumberAck: 1, channel: 6, credit: 1 }),
  'credit-overrun': (talk) =>
    talk.ask({ sequenceNumber: 2, sequenceNumberAck: 1, messages: [{ ...put, sizeLog2: 13 }] }),
  unaligned: (talk) => talk.ask({ sequenceNumber: 2, messages: [{ ...get, addressLow: 4 }] }),
  'wrong-param': (talk) => talk.ask({ sequenceNumber: 2, messages: [{ ...get, param: 1 }] }),
  'stray-denied': (talk) => talk.ask({ sequenceNumber: 2, messages: [{ ...put, denied: true }] }),
  'stray-corrupt': (talk) => talk.ask({ sequenceNumber: 2, messages: [{ ...get, corrupt: true }] }),
  'denied-not-corrupt': (talk) => {
    talk.ask({ sequenceNumber: 2, messages: [get] });
    return talk.answer({
      sequenceNumber: 2,
      sequenceNumberAck: 2,
      messages: [{ ...data, denied: true }],
    });
  },
  'stray-domain': (talk) => {
    const release = { channel: C, opcode: OpcodeC.release, sizeLog2: 3, source: 7, domain: 1 };
    return talk.ask({ sequenceNumber: 2, messages: [release] });
  },
  'source-in-use': (talk) => talk.ask({ sequenceNumber: 2, messages: [get, get] }),
  'sink-in-use': (talk) => {
    const acquire = { ...get, opcode: OpcodeA.acquireBlock };
    const grant = { channel: D, opcode: OpcodeD.grant, sizeLog2: 3, source: 7, sink: 1 };
    talk.ask({ sequenceNumber: 2, messages: [acquire, { ...acquire, source: 9 }] });
    const messages = [grant, { ...grant, source: 9 }];
    return talk.answer({ sequenceNumber: 2, sequenceNumberAck: 2, messages });
  },
  'unasked-answer': (talk) =>
    talk.answer({ sequenceNumber: 2, sequenceNumberAck: 1, messages: [data] }),
  'wrong-answer': (talk) => {
    talk.ask({ sequenceNumber: 2, messages: [get] });
    return talk.answer({
      sequenceNumber: 2,
      sequenceNumberAck: 2,
      messages: [{ ...ack, source: 7 }],
    });
  },
  'wrong-size': (talk) => {
    talk.ask({ sequenceNumber: 2, messages: [put] });
    return talk.answer({
      sequenceNumber: 2,
      sequenceNumberAck: 2,
      messages: [{ ...ack, sizeLog2: 0 }],
    });
  },
};

describe('violations', () => {
  it.each(Object.entries(OFFENCES))('%s is seen, and nothing else', (code, offend) => {
    const talk = new DecodedTalk().open();
    // Without an acknowledgement of its own a frame repeats the one before.
    const { violations } = offend(talk);
    expect(violations.filter((each) => each !== 'backward-ack' || code === each)).toEqual([code]);
  });

  it('are not seen in a talk that keeps the rules', () => {
    const talk = new DecodedTalk().open();
    const frames = [
      talk.ask({ sequenceNumber: 2, sequenceNumberAck: 1, messages: [get, put] }),
      talk.answer({ sequenceNumber: 2, sequenceNumberAck: 2, messages: [data, ack] }),
      talk.ask({ type: 1, sequenceNumber: 3, sequenceNumberAck: 2 }),
      talk.ask({ type: 3, sequenceNumber: 3, sequenceNumberAck: 2 }),
      talk.answer({ type: 3, sequenceNumber: 3, sequenceNumberAck: 3 }),
    ];
    expect(frames.flatMap(({ violations }) => violations)).toEqual([]);
  });

  it('that need the beginning are not claimed of a capture that began later', () => {
    const talk = new DecodedTalk();
    const answer = talk.answer({ sequenceNumber: 100, sequenceNumberAck: 50, messages: [data] });
    const request = talk.ask({ sequenceNumber: 51, sequenceNumberAck: 100, messages: [get] });
    expect([...answer.violations, ...request.violations]).toEqual([]);
    expect(answer.isForward).toBe(false);
  });

  it('are not claimed of what may be missing', () => {
    const talk = new DecodedTalk().open();
    talk.ask({ sequenceNumber: 4, sequenceNumberAck: 1 });
    const answer = talk.answer({ sequenceNumber: 2, sequenceNumberAck: 4, messages: [data] });
    expect(answer.violations).toEqual([]);
  });
});
