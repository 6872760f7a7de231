/** What the engine does about habits of peers, one place at a time, with scripts and short dialogues. */
import { describe, expect, it } from 'vitest';
import { ByteRegion } from '../src/byte-region.ts';
import type { FrameTransport, TransportHandlers } from '../src/host/frame-transport.ts';
import { RemoteMemory } from '../src/host/remote-memory.ts';
import { INITIATOR_PROFILES, PEER_PROFILES } from '../src/link/peer-profile.ts';
import { NOTHING_RECEIVED } from '../src/link/sequence-number.ts';
import { ADDRESS_ZERO } from '../src/remote-address.ts';
import { Dialogue, NOTHING_LEFT } from '../src/testing/dialogue.ts';
import { directionFaults, type ScriptedFault } from '../src/testing/fault-plan.ts';
import { ArrayMemory } from '../src/testing/memory-peer.ts';
import { MAC_B } from '../src/testing/memory-transport.ts';
import { MemoryStatus, RequestKind } from '../src/tilelink/memory-request.ts';
import { DEFAULT_REISSUE_POLICY } from '../src/tilelink/reissue-policy.ts';
import { DEFAULT_RESPONDER_CONFIG, Responder } from '../src/tilelink/responder.ts';
import { MILLISECOND, SECOND, type Micros } from '../src/units.ts';
import { Channel, FrameType, OpcodeA } from '../src/wire/index.ts';
import { completeMessage } from './arbitraries.ts';
import { ScriptedLink } from './scripted-link.ts';

const RECEIVER = { hasRoom: () => true, onMessage: () => true, onRestart: () => {} };
const { A, B, C, D, E } = Channel;

/** An initiator's link whose peer has acknowledged the opening; grants as [number, channel, log2]. */
function opening(grants: readonly (readonly [number, number, number])[]) {
  const wire = new ScriptedLink({ role: 'initiator' }, RECEIVER);
  wire.link.open();
  wire.hear();
  for (const [sequenceNumber, channel, credit] of grants) {
    wire.say({ sequenceNumber, sequenceNumberAck: 4, channel, credit });
  }
  /** Lets time pass, and returns what the link has said. */
  const wait = (micros: Micros) => {
    const heard = wire.hear();
    const end = wire.now + micros;
    while (wire.link.pollDeadline() <= end) {
      wire.now = Math.max(wire.now, wire.link.pollDeadline());
      wire.link.handleDeadline(wire.now);
      heard.push(...wire.hear());
    }
    wire.now = end;
    return heard;
  };
  return { wire, wait, name: () => (wire.link.state === 'open' ? wire.link.profile.name : '-') };
}

function sendGet({ link }: ScriptedLink): void {
  const at = link.reserve(A, 2);
  link.transmitRegion.view.setBigUint64(at, 0x1803000000000001n);
  link.transmitRegion.view.setBigUint64(at + 8, 0n);
}

function sendAck({ link }: ScriptedLink): void {
  link.transmitRegion.view.setBigUint64(link.reserve(D, 1), 0x4003000000000001n);
}

describe('a responder is recognised by all that it has granted', () => {
  it.each([
    ['etri', [A, B, C, D, E].map((channel, number) => [number, channel, 10] as const)],
    ['wdhw', [A, C, E].map((channel, number) => [number, channel, 10] as const)],
    ['memnode', [0, 1, 2, 3, 4].map((number) => [number, A, 10] as const)],
    ['oxmem', [A, B, C, D, E].map((channel, number) => [number, channel, 12] as const)],
  ])('%s, at once', (name, grants) => {
    expect(opening(grants).name()).toBe(name);
  });

  it('one that grants five channels in other ways is generic', () => {
    const grants = [A, B, C, D, E].map((channel, number) => [number, channel, 7] as const);
    expect(opening(grants).name()).toBe('generic');
  });

  it('out of order as well', () => {
    const grants = [2, 4, 1, 3, 0].map((number) => [number, number + 1, 10] as const);
    const { wire, name } = opening(grants);
    expect(name()).toBe('etri');
    expect([A, B, C, D, E].map((channel) => wire.link.creditsAvailable(channel))).toEqual([
      1024, 1024, 1024, 1024, 1024,
    ]);
  });

  it('etri is not taken for memnode when only its first grant arrives: it is asked', () => {
    const { wire, wait, name } = opening([[0, A, 10]]);
    const asked = wait(200 * MILLISECOND).filter(
      ({ header }) => header.frameType === FrameType.normal && header.sequenceNumber === 5,
    );
    expect(asked).toHaveLength(1);
    expect(name()).toBe('-');
    wire.say({ frameType: FrameType.ackOnly, sequenceNumber: 5, sequenceNumberAck: 5 });
    wait(SECOND);
    expect(name()).toBe('etri');
  });

  it('memnode is known by its answer to the question', () => {
    const { wire, wait, name } = opening([[4, A, 10]]);
    expect(name()).toBe('-');
    wait(SECOND);
    expect(name()).toBe('memnode');
    expect(wire.link.creditsAvailable(A)).toBe(1024);
  });

  it('a peer of which nothing but one grant is known stays unopened, and is asked again', () => {
    const { wait, name } = opening([[0, A, 10]]);
    const asked = wait(3 * SECOND).filter(({ header }) => header.frameType === FrameType.normal);
    expect(asked.length).toBeGreaterThan(5);
    expect(name()).toBe('-');
  });

  it('credits that were granted in a frame that is lost for good are there', () => {
    const { wire, wait, name } = opening([[3, D, 10]]);
    wait(SECOND);
    expect(name()).toBe('etri');
    expect(wire.link.creditsAvailable(A)).toBe(1024);
  });
});

describe('a gap in what a peer sends', () => {
  function gapped(profile = PEER_PROFILES.etri) {
    const { wire, wait } = opening([A, B, C, D, E].map((channel, i) => [i, channel, 10] as const));
    wire.link.profile = profile;
    const sayAhead = () => wire.say({ sequenceNumber: 6, sequenceNumberAck: 4, channel: A });
    return { wire, wait, sayAhead };
  }

  it('that stays although the peer goes on is given up', () => {
    const { wire, wait, sayAhead } = gapped();
    for (let i = 0; i < 5; i++) {
      sayAhead();
      wait(100 * MILLISECOND);
    }
    expect(wire.link.stats.skipped).toBe(1);
    expect(wire.link.stats.outOfOrder).toBe(5);
  });

  it('is no older for a silence in between', () => {
    const { wire, wait, sayAhead } = gapped();
    sayAhead();
    wait(10 * SECOND);
    sayAhead();
    expect(wire.link.stats.skipped).toBe(0);
  });

  it('is never given up if the peer always resends', () => {
    const { wire, wait, sayAhead } = gapped(PEER_PROFILES.oxmem);
    for (let i = 0; i < 100; i++) {
      sayAhead();
      wait(100 * MILLISECOND);
    }
    expect(wire.link.stats.skipped).toBe(0);
  });

  it('of one that never resends is not waited for; what comes late is taken once', () => {
    const { wire, wait, sayAhead } = gapped(PEER_PROFILES.memnode);
    sayAhead();
    expect(wire.link.stats.skipped).toBe(1);
    const before = wire.link.creditsAvailable(A);
    const late = { sequenceNumber: 5, sequenceNumberAck: 4, channel: A, credit: 3 };
    wire.say(late);
    wire.say(late);
    expect(wire.link.creditsAvailable(A)).toBe(before + 8);
    wire.say({ ...late, sequenceNumber: 8 });
    wait(SECOND);
    wire.say({ ...late, sequenceNumber: 7 });
    expect(wire.link.creditsAvailable(A)).toBe(before + 16);
  });
});

describe('acknowledgements', () => {
  it('of AckOnly frames count whatever their virtual channel says', () => {
    const { wire } = opening([A, B, C, D, E].map((channel, i) => [i, channel, 10] as const));
    sendGet(wire);
    wire.hear();
    expect(wire.link.framesOutstanding).toBe(1);
    wire.say({ vc: 5, frameType: FrameType.ackOnly, sequenceNumber: 5, sequenceNumberAck: 5 });
    expect(wire.link.framesOutstanding).toBe(0);
  });

  it('three alike in a row are a NAK of a peer that has no other', () => {
    const { wire } = opening([A, B, C, D, E].map((channel, i) => [i, channel, 10] as const));
    sendGet(wire);
    wire.hear();
    const same = { frameType: FrameType.ackOnly, sequenceNumber: 5, sequenceNumberAck: 4 };
    wire.now += MILLISECOND;
    const resent = [1, 2, 3].map(() => {
      wire.say(same);
      return wire.hear().filter(({ header }) => header.frameType === FrameType.normal).length;
    });
    expect(resent).toEqual([0, 0, 1]);
  });

  it('of the number that an AckOnly showed prove nothing before its frame was sent twice', () => {
    const wire = new ScriptedLink({ role: 'responder' }, RECEIVER);
    wire.link.profile = INITIATOR_PROFILES.wdrs;
    const open = { frameType: FrameType.open, channel: A, credit: 28, ack: 0 };
    wire.say({ ...open, sequenceNumberAck: NOTHING_RECEIVED });
    for (const [i, channel] of [B, C, D, E].entries()) {
      wire.say({ sequenceNumber: i + 1, ack: 0, sequenceNumberAck: 0x3fffff, channel, credit: 28 });
    }
    expect(wire.link.profile.name).toBe('wdrs');
    wire.hear();
    wire.say({ sequenceNumber: 5, sequenceNumberAck: 4 });
    wire.say({ sequenceNumber: 6, sequenceNumberAck: 4 });
    expect(wire.hear().map(({ header }) => header.sequenceNumber)).toEqual([5]);
    sendAck(wire);
    wire.hear();
    wire.say({ sequenceNumber: 7, sequenceNumberAck: 5 });
    expect(wire.link.framesOutstanding).toBe(1);
    wire.now = wire.link.pollDeadline() + SECOND;
    wire.link.handleDeadline(wire.now);
    wire.hear();
    wire.say({ sequenceNumber: 8, sequenceNumberAck: 5 });
    expect(wire.link.framesOutstanding).toBe(0);
  });
});

describe('a peer that executes what is repeated', () => {
  it('gets no frame twice once it is open, whatever it acknowledges', () => {
    const { wire, wait, name } = opening([0, 1, 2, 3, 4].map((i) => [i, A, 10] as const));
    expect(name()).toBe('memnode');
    sendGet(wire);
    const sent = wait(3 * SECOND);
    wire.say({ sequenceNumber: 5, sequenceNumberAck: 3, ack: 0, channel: A });
    sent.push(...wait(3 * SECOND));
    const numbered = sent.filter(({ header }) => header.frameType === FrameType.normal);
    expect(numbered.map(({ header }) => header.sequenceNumber)).toEqual([5]);
    expect(wire.link.stats.framesResent).toBe(0);
  });
});

describe('a peer that acknowledges no repeated frame', () => {
  it('gets a new one behind them from the second repetition on', () => {
    const { wire, wait } = opening([A, C, E].map((channel, i) => [i, channel, 10] as const));
    expect(wire.link.profile.name).toBe('wdhw');
    sendGet(wire);
    wait(1);
    const sent = wait(150 * MILLISECOND).map(({ header }) => header.sequenceNumber);
    expect(sent).toEqual([5, 5, 6]);
  });
});

describe('a peer that knows answers by their acknowledgement', () => {
  it('gets each in a frame of its own that says the number of its request, for ever', () => {
    const responder = new Responder(DEFAULT_RESPONDER_CONFIG, new ArrayMemory(4096));
    const wire = new ScriptedLink({ role: 'responder' }, responder);
    responder.attach(wire.link);
    const first = { sequenceNumberAck: NOTHING_RECEIVED, ack: 0, credit: 28 };
    wire.say({ ...first, frameType: FrameType.open, channel: A });
    expect(wire.hear().map(({ header }) => header.sequenceNumberAck)).toEqual([0, 0, 0, 0, 0]);
    wire.say({ sequenceNumber: 1, sequenceNumberAck: 0, ack: 0, channel: D, credit: 28 });
    expect(wire.link.profile.name).toBe('fuse');
    const [answer] = wire.hear().filter(({ header }) => header.sequenceNumberAck === 1);
    expect(answer).toMatchObject({ messages: [], header: { frameType: FrameType.normal } });
    for (const sequenceNumber of [2, 3, 4]) {
      const empty = { flitIndex: 0, param: 0, domain: 0, denied: false, corrupt: false };
      const get = { ...empty, channel: A, opcode: OpcodeA.get, sizeLog2: 3, source: 0, sink: 0 };
      wire.say({ sequenceNumber, messages: [completeMessage({ ...get, address: 0n }, 1)] });
    }
    const acks = (): number[] =>
      wire.hear().flatMap((it) => (it.messages.length > 0 ? [it.header.sequenceNumberAck] : []));
    expect(acks()).toEqual([2, 3, 4]);
    wire.now = wire.link.pollDeadline() + SECOND;
    wire.link.handleDeadline(wire.now);
    expect(acks()).toEqual([2, 3, 4]);
  });
});

describe('regressions: connections', () => {
  /** Lets two drivers with other grants follow each other at one address. */
  it('a successor does not inherit the credits of a predecessor that died in its opening', async () => {
    const { clock, wire, peer, memory } = new Dialogue({ window: 4 });
    let handlers: TransportHandlers | undefined;
    wire.a.start({
      onReceiveBatch: (count) => handlers?.onReceiveBatch(count),
      onWritable: () => handlers?.onWritable(),
      onFailure: () => {},
    });
    const driver = (dLog2: number): RemoteMemory => {
      const transport: FrameTransport = {
        mtuBytes: wire.a.mtuBytes,
        ownMac: wire.a.ownMac,
        receiveRegion: wire.a.receiveRegion,
        receiveDescriptors: wire.a.receiveDescriptors,
        start: (given) => {
          handlers = given;
        },
        sendBatch: (...batch) => wire.a.sendBatch(...batch),
        close: () => {
          handlers = undefined;
        },
      };
      const initiator = {
        base: ADDRESS_ZERO,
        sizeBytes: memory.sizeBytes,
        dataOrder: 'raw',
        window: 4,
        maxAccessLog2: 10,
        reissue: DEFAULT_REISSUE_POLICY,
        firstSource: 7,
      } as const;
      return new RemoteMemory(
        { peerMac: MAC_B, initiator, link: { grantExponents: [0, 15, 12, 12, dLog2, 12] } },
        { transport, clock },
        { onLost: () => {}, onRecovered: () => {}, onEnded: () => {} },
      );
    };
    const first = driver(19);
    void first.open(SECOND);
    clock.advanceBy(15);
    first.host.close();
    expect(peer.link.creditsAvailable(D)).toBe(2 ** 19);
    clock.advanceBy(3 * SECOND);
    void driver(11).open(SECOND);
    clock.advanceBy(3 * SECOND);
    expect(peer.link.creditsAvailable(D)).toBe(2 ** 11);
  });

  it('a late copy of an Open makes no connection while the old one closes, nor soon after', async () => {
    const dialogue = new Dialogue();
    const { wire, clock, peer } = dialogue;
    let open: Uint8Array | undefined;
    const send = wire.a.sendBatch.bind(wire.a);
    wire.a.sendBatch = (region, descriptors, from, count) => {
      const at = descriptors[2 * from] as number;
      open ??= region.bytes.slice(at, at + 70);
      return send(region, descriptors, from, count);
    };
    await dialogue.open();
    clock.advanceBy(SECOND);
    const closing = dialogue.driver.close();
    clock.advanceBy(15);
    expect(peer.link.state).toBe('closing');
    wire.network.simulator.send(clock.now(), wire.a.port, open as Uint8Array);
    wire.network.wake();
    clock.advanceBy(SECOND);
    await closing;
    expect(peer.link.state).toBe('closed');
  });

  it('an initiator may have as many requests out as it has credits, and few credits for answers', () => {
    const responder = new Responder(DEFAULT_RESPONDER_CONFIG, new ArrayMemory(4096));
    const wire = new ScriptedLink({ role: 'responder' }, responder);
    responder.attach(wire.link);
    wire.say({ frameType: FrameType.open, channel: D, credit: 1, sequenceNumberAck: 0x3fffff });
    wire.hear();
    const empty = { flitIndex: 0, param: 0, domain: 0, denied: false, corrupt: false };
    const get = { ...empty, channel: A, opcode: OpcodeA.get, sizeLog2: 3, source: 0, sink: 0 };
    const messages = Array.from({ length: 32 }, () => completeMessage({ ...get, address: 0n }, 1));
    let sequenceNumber = 1;
    for (let flits = 2 ** 15; flits > 0; flits -= 64) {
      wire.say({ sequenceNumber, messages, sequenceNumberAck: 4 });
      sequenceNumber++;
    }
    expect(wire.link.stats.receiverFull).toBe(0);
    wire.say({ sequenceNumber: sequenceNumber++, sequenceNumberAck: 4, channel: D, credit: 20 });
    let answers = 0;
    for (let round = 0; round < 2000 && answers < 16_384; round++) {
      responder.pump();
      const heard = wire.hear().filter(({ header }) => header.frameType === FrameType.normal);
      answers += heard.reduce((sum, frame) => sum + frame.messages.length, 0);
      const sequenceNumberAck = heard.at(-1)?.header.sequenceNumber;
      if (sequenceNumberAck !== undefined) {
        wire.say({ sequenceNumber: sequenceNumber++, sequenceNumberAck });
      }
    }
    expect(answers).toBe(16_384);
  });

  it('accesses are no larger than the buffers of either end', async () => {
    const dialogue = new Dialogue({
      initiatorLink: { grantExponents: [0, 8, 8, 8, 6, 8] },
      responderLink: { grantExponents: [0, 6, 8, 8, 8, 8] },
    });
    await dialogue.open();
    const bytes = Uint8Array.from({ length: 4096 }, (_, i) => i * 7);
    expect(await dialogue.write(0, bytes)).toBe(MemoryStatus.ok);
    expect(await dialogue.read(0, 4096)).toEqual({ status: MemoryStatus.ok, bytes });
    expect(dialogue.peer.responder.stats).toMatchObject({ puts: 16, gets: 16 });
  });

  it('credits that never come back are restored when the peer must be idle', async () => {
    const dialogue = new Dialogue({ responderLink: { grantExponents: [0, 8, 8, 8, 8, 8] } });
    await dialogue.open();
    dialogue.peer.link.returnCredits = () => {};
    for (let i = 0; i < 4; i++) {
      expect(await dialogue.write(0, new Uint8Array(1024))).toBe(MemoryStatus.ok);
    }
    expect(dialogue.driver.link.stats.creditsRestored).toBeGreaterThan(0);
  });

  it.each(['memnode', 'oxmem'] as const)(
    'with endpoint-lost=wait requests to %s wait out a silence of a minute',
    async (name) => {
      const cut: ScriptedFault = { kind: 'cut', from: SECOND, until: 60 * SECOND };
      const faults = directionFaults({ script: [cut] });
      const dialogue = new Dialogue({
        profile: PEER_PROFILES[name],
        reissue: { whenLost: 'wait' },
        faults: { forward: faults, backward: faults },
        ...(name === 'memnode' && { responderLink: { profile: PEER_PROFILES.generic } }),
      });
      await dialogue.open();
      dialogue.clock.advanceTo(2 * SECOND);
      const buffer = ByteRegion.allocate(64);
      const waiting = dialogue.start({ kind: RequestKind.read, length: 64, buffer });
      dialogue.clock.advanceTo(59 * SECOND);
      expect(dialogue.notices).toEqual(['lost']);
      expect(dialogue.driver.initiator.liveRequests).toBe(1);
      dialogue.clock.advanceTo(70 * SECOND);
      expect(await waiting).toBe(MemoryStatus.ok);
      expect(dialogue.notices).toEqual(['lost', 'recovered']);
      dialogue.clock.advanceBy(20 * SECOND);
      expect(dialogue.driver.initiator.accessesInFlight).toBe(NOTHING_LEFT['accessesInFlight']);
    },
  );
});
