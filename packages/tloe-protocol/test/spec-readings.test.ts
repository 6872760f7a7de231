/**
 * How link, responder and initiator read the places where the specifications are unclear: what
 * docs/spec-notes.md says, frame by frame, with a script as the peer.
 */
import { describe, expect, it } from 'vitest';

import { ByteRegion } from '../src/byte-region.ts';
import type { LinkConfig } from '../src/link/link-config.ts';
import { PEER_PROFILES } from '../src/link/peer-profile.ts';
import { NOTHING_RECEIVED } from '../src/link/sequence-number.ts';
import {
  DEFAULT_REISSUE_POLICY,
  DEFAULT_RESPONDER_CONFIG,
  Initiator,
  MemoryStatus,
  RequestKind,
  Responder,
} from '../src/tilelink/index.ts';
import { MemoryRequest } from '../src/tilelink/memory-request.ts';
import {
  Channel,
  FrameType,
  OpcodeA,
  OpcodeB,
  OpcodeC,
  OpcodeD,
  RejectReason,
} from '../src/wire/index.ts';
import { completeMessage } from './arbitraries.ts';
import { encodeFrame, type Frame, type Message } from './naive-codec.ts';
import { ScriptedLink, frameOf, type Said } from './scripted-link.ts';

const CHANNELS = [1, 2, 3, 4, 5];
const PEER_GRANT = 12;

function message(given: Partial<Message> & Pick<Message, 'channel' | 'opcode'>): Message {
  const empty = { flitIndex: 0, param: 0, sizeLog2: 3, domain: 0, denied: false, corrupt: false };
  const whole = completeMessage({ ...empty, source: 0, sink: 0, address: 0n, ...given }, 1);
  return { ...whole, data: given.data ?? whole.data, mask: given.mask ?? whole.mask };
}

function get(given: Partial<Message> = {}): Message {
  return message({ channel: Channel.A, opcode: OpcodeA.get, ...given });
}

/** An endpoint of 4 KiB, opened by a script that has granted credits on these channels. */
function endpoint(granted: readonly number[] = CHANNELS, config: Partial<LinkConfig> = {}) {
  const region = ByteRegion.allocate(4096);
  const backend = {
    sizeBytes: 4096,
    read: (offset: number, length: number, target: ByteRegion, at: number): void =>
      target.bytes.set(region.bytes.subarray(offset, offset + length), at),
    write: (offset: number, length: number, source: ByteRegion, at: number): void =>
      region.bytes.set(source.bytes.subarray(at, at + length), offset),
  };
  const responder = new Responder(DEFAULT_RESPONDER_CONFIG, backend);
  const wire = new ScriptedLink({ role: 'responder', ...config }, responder);
  responder.attach(wire.link);
  const open = { frameType: FrameType.open, sequenceNumberAck: NOTHING_RECEIVED };
  wire.say({ ...open, channel: granted[0] ?? 0, credit: PEER_GRANT });
  const grants = wire.hear();
  let sequenceNumber = 1;
  let sequenceNumberAck = grants.at(-1)!.header.sequenceNumber;
  const say = (said: Said): RejectReason =>
    wire.say({ sequenceNumber: sequenceNumber++, sequenceNumberAck, ...said });
  for (const channel of granted.slice(1)) say({ channel, credit: PEER_GRANT });
  const hear = (): Frame[] => {
    const heard = wire.hear();
    for (const { header } of heard) {
      if (header.frameType !== FrameType.ackOnly) sequenceNumberAck = header.sequenceNumber;
    }
    return heard;
  };
  /** The answers to these messages. */
  const ask = (...messages: Message[]): readonly Message[] => {
    hear();
    expect(say({ messages })).toBe(RejectReason.none);
    responder.pump();
    return hear().flatMap((frame) => frame.messages);
  };
  hear();
  return { wire, responder, memory: region.bytes, say, hear, ask, next: () => sequenceNumber };
}

describe('the link', () => {
  it('begins without credits and counts exactly those that it is granted', () => {
    const { wire } = endpoint([Channel.A, Channel.D]);
    const available = CHANNELS.map((channel) => wire.link.creditsAvailable(channel));
    expect(available).toEqual([2 ** PEER_GRANT, 0, 0, 2 ** PEER_GRANT, 0]);
  });

  it('applies the credit of a repeated frame once', () => {
    const { wire, say, next } = endpoint();
    const before = wire.link.creditsAvailable(Channel.D);
    const frame = { sequenceNumber: next(), channel: Channel.D, credit: 3 };
    say(frame);
    expect(wire.link.creditsAvailable(Channel.D)).toBe(before + 8);
    say(frame);
    say(frame);
    expect(wire.link.creditsAvailable(Channel.D)).toBe(before + 8);
    expect(wire.link.stats.duplicates).toBe(2);
  });

  it('takes the acknowledgement of a frame behind a gap, but neither credit nor messages', () => {
    const { wire, ask, say, next, responder } = endpoint();
    ask(get());
    expect(wire.link.framesOutstanding).toBe(1);
    const before = wire.link.creditsAvailable(Channel.D);
    const ahead = { sequenceNumber: next() + 1, channel: Channel.D, credit: 9 };
    say({ ...ahead, messages: [get()] });
    expect(wire.link.framesOutstanding).toBe(0);
    expect(wire.link.creditsAvailable(Channel.D)).toBe(before);
    expect(responder.stats.gets).toBe(1);
    expect(wire.link.stats.outOfOrder).toBe(1);
  });

  it('takes the acknowledgement of a repeated frame', () => {
    const { wire, ask, say, next } = endpoint();
    ask(get());
    expect(wire.link.framesOutstanding).toBe(1);
    say({ sequenceNumber: next() - 1, messages: [get()] });
    expect(wire.link.framesOutstanding).toBe(0);
  });

  it('ignores an acknowledgement of what it never sent, and counts it', () => {
    const { wire, ask, say } = endpoint();
    ask(get());
    say({ sequenceNumberAck: 1000 });
    expect(wire.link.framesOutstanding).toBe(1);
    expect(wire.link.stats.bogusAcks).toBe(1);
  });

  it('treats a malformed frame as one that did not arrive', () => {
    const { wire, ask, say, hear, next } = endpoint();
    hear();
    const before = wire.link.creditsAvailable(Channel.D);
    const said = { sequenceNumber: next(), sequenceNumberAck: 4, channel: Channel.D, credit: 5 };
    const bytes = encodeFrame(frameOf({ ...said, messages: [get()] }));
    bytes[bytes.length - 1] = 3;
    expect(wire.sayBytes(bytes)).toBe(RejectReason.maskMismatch);
    expect(wire.link.creditsAvailable(Channel.D)).toBe(before);
    expect(hear()).toEqual([]);
    expect(say({ ...said, messages: [get()] })).toBe(RejectReason.none);
    expect(wire.link.creditsAvailable(Channel.D)).not.toBe(before);
    expect(ask(get())).toHaveLength(1);
  });

  it('shows in an AckOnly the number behind the last frame sent, not behind those that wait', () => {
    const { wire, responder, say, next } = endpoint();
    const stale = { sequenceNumberAck: 4 };
    say({ ...stale, messages: [get()] });
    responder.pump();
    wire.hear();
    // Nothing is acknowledged: after a time-out few frames may be on their way.
    while (wire.link.stats.retransmitTimeouts === 0) {
      wire.now = wire.link.pollDeadline();
      wire.link.handleDeadline(wire.now);
      wire.hear();
    }
    const gets = Array.from({ length: 20 }, () => get({ sizeLog2: 10 }));
    const request = { ...stale, sequenceNumber: next(), messages: gets };
    say(request);
    responder.pump();
    const sent = wire.hear().map(({ header }) => header.sequenceNumber);
    expect(sent.length).toBeLessThan(gets.length);
    wire.say(request);
    const [ackOnly] = wire.hear();
    expect(ackOnly?.header.frameType).toBe(FrameType.ackOnly);
    expect(ackOnly?.header.sequenceNumber).toBe(Math.max(...sent) + 1);
  });

  it('drops frames of other virtual channels than 0', () => {
    const { say, hear, next } = endpoint();
    const sequenceNumber = next();
    for (let vc = 1; vc < 8; vc++) {
      expect(say({ sequenceNumber, vc, messages: [get()] })).toBe(RejectReason.unknownVc);
    }
    expect(hear()).toEqual([]);
  });

  it('lets one channel without credits hold up no other', () => {
    for (const empty of CHANNELS) {
      const { wire } = endpoint(CHANNELS.filter((channel) => channel !== empty));
      for (const channel of CHANNELS) {
        expect(wire.link.reserve(channel, 1) >= 0, `${channel}, none for ${empty}`).toBe(
          channel !== empty,
        );
      }
    }
  });

  it('sends only what the credits cover, not one flit more', () => {
    const { wire } = endpoint([Channel.A]);
    const flits = wire.link.maxMessageFlits;
    let sent = 0;
    while (wire.link.reserve(Channel.A, flits) >= 0) sent += flits;
    while (wire.link.reserve(Channel.A, 1) >= 0) sent += 1;
    expect(sent).toBe(2 ** PEER_GRANT);
  });
});

describe('peers that do not count credits right', () => {
  it('may send more than they were granted: what arrives is served', () => {
    const { wire, ask, responder } = endpoint(CHANNELS, { grantExponents: [0, 4, 4, 4, 4, 4] });
    // 64 flits at once into a buffer of 16.
    const answers = ask(...Array.from({ length: 32 }, (_, i) => get({ source: i })));
    expect(answers.map(({ source }) => source)).toEqual(Array.from({ length: 32 }, (_, i) => i));
    expect(responder.stats.gets).toBe(32);
    expect(wire.link.stats.receiverFull).toBe(0);
  });

  it('are sent more than they granted if their profile says that they leak', () => {
    const { wire } = endpoint([Channel.A]);
    wire.link.profile = PEER_PROFILES.memnode;
    for (let flits = 0; flits < 2 ** PEER_GRANT + 64; flits += 8) {
      expect(wire.link.reserve(Channel.A, 8)).toBeGreaterThanOrEqual(0);
    }
    wire.link.profile = PEER_PROFILES.generic;
    expect(wire.link.reserve(Channel.A, 1)).toBe(-1);
  });
});

describe('the responder', () => {
  it('echoes source, size and domain of a request', () => {
    const { ask } = endpoint();
    const [answer] = ask(get({ source: 0x2345678, sizeLog2: 5, domain: 0x5a }));
    expect(answer).toMatchObject({
      channel: Channel.D,
      opcode: OpcodeD.accessAckData,
      source: 0x2345678,
      sizeLog2: 5,
      domain: 0x5a,
    });
  });

  it('serves atomics of 1 to 8 bytes with the old value, and denies larger ones', () => {
    const { ask, memory } = endpoint();
    for (let sizeLog2 = 0; sizeLog2 <= 6; sizeLog2++) {
      memory.fill(0x22);
      const swap = { channel: Channel.A, opcode: OpcodeA.logicalData, param: 3, sizeLog2 };
      const [answer] = ask(message(swap));
      const isServed = sizeLog2 <= 3;
      expect(answer).toMatchObject({ opcode: OpcodeD.accessAckData, denied: !isServed, sizeLog2 });
      expect(memory.some((byte) => byte !== 0x22)).toBe(isServed);
      const old = BigInt(`0x${'22'.repeat(2 ** sizeLog2).padEnd(16, '0')}`);
      if (isServed) expect(answer!.data).toEqual([old]);
    }
  });

  it('denies an atomic whose parameter is not defined, and changes nothing', () => {
    const { ask, memory } = endpoint();
    for (const [opcode, param] of [
      [OpcodeA.arithmeticData, 5],
      [OpcodeA.logicalData, 4],
    ] as const) {
      const [answer] = ask(message({ channel: Channel.A, opcode, param }));
      expect(answer).toMatchObject({ denied: true, corrupt: true });
    }
    expect(memory.every((byte) => byte === 0)).toBe(true);
  });

  it('denies what figure 32 asks for: 32 bytes at an address that is aligned to 16', () => {
    const { ask } = endpoint();
    const [answer] = ask(get({ sizeLog2: 5, address: 0x90n }));
    expect(answer).toMatchObject({ denied: true, corrupt: true, sizeLog2: 5 });
    expect(answer!.data).toEqual([0n, 0n, 0n, 0n]);
  });

  it('writes nothing of a Put whose data is corrupt, and denies it', () => {
    const { ask, memory } = endpoint();
    for (const opcode of [OpcodeA.putFullData, OpcodeA.putPartialData]) {
      const [answer] = ask(message({ channel: Channel.A, opcode, corrupt: true }));
      expect(answer).toMatchObject({ opcode: OpcodeD.accessAck, denied: true, corrupt: false });
    }
    expect(memory.every((byte) => byte === 0)).toBe(true);
  });

  it('never sets denied on a ReleaseAck, wherever the address is', () => {
    const { ask } = endpoint();
    const release = { channel: Channel.C, opcode: OpcodeC.releaseData, sizeLog2: 6 };
    for (const address of [0n, 1n, 2n ** 63n]) {
      expect(ask(message({ ...release, address, source: 9 }))).toMatchObject([
        { channel: Channel.D, opcode: OpcodeD.releaseAck, denied: false, sizeLog2: 6, source: 9 },
      ]);
    }
  });
});

describe('the initiator', () => {
  /** An initiator that a script has let open its connection. */
  function driver() {
    const initiator = new Initiator({
      base: { high: 0, low: 0 },
      sizeBytes: 4096,
      dataOrder: 'raw',
      window: 4,
      maxAccessLog2: 10,
      reissue: DEFAULT_REISSUE_POLICY,
      firstSource: 100,
    });
    const wire = new ScriptedLink({ role: 'initiator' }, initiator);
    initiator.attach(wire.link);
    wire.link.open();
    let sequenceNumber = 0;
    const say = (said: Said): void => {
      wire.say({ sequenceNumber: sequenceNumber++, sequenceNumberAck: 4, ...said });
    };
    wire.hear();
    for (const channel of CHANNELS) say({ channel, credit: PEER_GRANT });
    initiator.linkOpened();
    return { initiator, wire, say };
  }

  /** A read of 8 bytes and how it ended. */
  function read(initiator: Initiator): { request: MemoryRequest; ended: MemoryStatus[] } {
    const ended: MemoryStatus[] = [];
    const request = new MemoryRequest({ requestDone: (_, status) => ended.push(status) });
    Object.assign(request, { kind: RequestKind.read, offset: 0, length: 8 });
    request.buffer = ByteRegion.allocate(8);
    initiator.submit(0, request);
    initiator.pump(0);
    return { request, ended };
  }

  it.each([
    ['corrupt', { corrupt: true }, MemoryStatus.corrupt],
    ['denied', { denied: true, corrupt: true }, MemoryStatus.denied],
    ['denied without data', { denied: true, opcode: OpcodeD.accessAck }, MemoryStatus.denied],
    ['of another size', { sizeLog2: 4 }, MemoryStatus.malformed],
    ['without data', { opcode: OpcodeD.accessAck }, MemoryStatus.malformed],
  ])('fails a read whose answer is %s, and gives out no data', (_, given, status) => {
    const { initiator, wire, say } = driver();
    const { request, ended } = read(initiator);
    const [sent] = wire.hear().flatMap((frame) => frame.messages);
    const answer = { channel: Channel.D, opcode: OpcodeD.accessAckData, source: sent!.source };
    say({ messages: [message({ ...answer, ...given })] });
    expect(ended).toEqual([status]);
    expect([...request.buffer!.bytes]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('takes no answer by its domain, and none with another source', () => {
    const { initiator, wire, say } = driver();
    const { ended } = read(initiator);
    const [sent] = wire.hear().flatMap((frame) => frame.messages);
    const answer = { channel: Channel.D, opcode: OpcodeD.accessAckData };
    say({ messages: [message({ ...answer, source: sent!.source ^ 4 })] });
    expect(ended).toEqual([]);
    expect(initiator.stats.unknownSources).toBe(1);
    say({ messages: [message({ ...answer, source: sent!.source, domain: 77 })] });
    expect(ended).toEqual([MemoryStatus.ok]);
  });

  it.each([
    ['ProbeBlock', OpcodeB.probeBlock],
    ['ProbePerm', OpcodeB.probePerm],
  ])('answers %s with "held nothing", NtoN', (_, opcode) => {
    const { initiator, wire, say } = driver();
    const probe = { sizeLog2: 6, source: 5, address: 0x8000_0000_0000_0040n };
    say({ messages: [message({ channel: Channel.B, opcode, param: 2, ...probe })] });
    initiator.pump(0);
    expect(wire.hear().flatMap((frame) => frame.messages)).toMatchObject([
      { channel: Channel.C, opcode: OpcodeC.probeAck, param: 5, ...probe },
    ]);
  });
});
