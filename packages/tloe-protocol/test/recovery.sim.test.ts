/** Frames that got lost: what the receiving end keeps and says, and what the sending end repeats. */
import { describe, expect, it } from 'vitest';
import { PEER_PROFILES, type PeerProfile } from '../src/link/peer-profile.ts';
import { MILLISECOND, type Micros } from '../src/units.ts';
import { Channel, FrameType, OpcodeA, OpcodeD, type MessageView } from '../src/wire/index.ts';
import { completeMessage } from './arbitraries.ts';
import type { Frame, Message } from './naive-codec.ts';
import { ScriptedLink, type Said } from './scripted-link.ts';

const { A, B, C, D, E } = Channel;
const EMPTY = { flitIndex: 0, param: 0, domain: 0, denied: false, corrupt: false };

/** An initiator's open link; the peer has sent 0 to 4 and has everything up to 4. */
class Rig {
  readonly taken: number[] = [];
  readonly wire: ScriptedLink;
  hasRoom = true;

  constructor(windowFrames = 64) {
    this.wire = new ScriptedLink(
      { role: 'initiator', windowFrames },
      {
        hasRoom: () => this.hasRoom,
        onMessage: (_, { source }: MessageView) => this.taken.push(source) > 0,
        onRestart: () => {},
      },
    );
    this.wire.link.open();
    this.wire.hear();
    this.wire.now = 100;
    for (const channel of [A, B, C, D, E]) {
      this.wire.say({ sequenceNumber: channel - 1, sequenceNumberAck: 4, channel, credit: 12 });
    }
    this.wire.hear();
    expect(this.wire.link.state).toBe('open');
  }

  /** The peer sends an answer in the frame with this number, and the source says the same. */
  answer(sequenceNumber: number, more: Partial<Said> = {}): void {
    this.wire.say({
      sequenceNumber,
      sequenceNumberAck: 4,
      messages: [answerOf(sequenceNumber)],
      ...more,
    });
  }

  /** What the link says now: numbers of the frames, `ack 7` or `nak 7` for frames without one. */
  hear(): (number | string)[] {
    return this.wire.hear().map(told);
  }

  /** Lets time pass; what the link says meanwhile. */
  wait(micros: Micros): (number | string)[] {
    const { wire } = this;
    const heard = this.hear();
    const end = wire.now + micros;
    while (wire.link.pollDeadline() <= end) {
      wire.now = Math.max(wire.now, wire.link.pollDeadline());
      wire.link.handleDeadline(wire.now);
      heard.push(...this.hear());
    }
    wire.now = end;
    return heard;
  }

  /** Sends so many frames with one request each; they are numbered from 5 on. */
  send(frames: number): (number | string)[] {
    const { link } = this.wire;
    const sent: (number | string)[] = [];
    for (let i = 0; i < frames; i++) {
      const at = link.reserve(A, 2);
      link.transmitRegion.view.setBigUint64(at, 0x1803000000000001n);
      link.transmitRegion.view.setBigUint64(at + 8, 0n);
      sent.push(...this.hear());
    }
    return sent;
  }

  /** The peer says what it has, and hears what comes of it. */
  say(what: 'ack' | 'nak', number: number): (number | string)[] {
    this.wire.say({
      frameType: FrameType.ackOnly,
      sequenceNumber: 5,
      sequenceNumberAck: number,
      ack: what === 'ack' ? 1 : 0,
    });
    return this.hear();
  }
}

function told({ header }: Frame): number | string {
  if (header.frameType !== FrameType.ackOnly) return header.sequenceNumber;
  return `${header.ack === 1 ? 'ack' : 'nak'} ${header.sequenceNumberAck}`;
}

function answerOf(source: number): Message {
  const opcode = OpcodeD.accessAck;
  return completeMessage(
    { ...EMPTY, channel: D, opcode, sizeLog2: 3, source, sink: 0, address: 0n },
    1,
  );
}

describe('the receiving end', () => {
  it('keeps what came early and hands it on in its turn, once', () => {
    const rig = new Rig();
    rig.answer(5);
    for (const number of [7, 8, 8, 7]) rig.answer(number);
    expect(rig.taken).toEqual([5]);
    rig.answer(6);
    expect(rig.taken).toEqual([5, 6, 7, 8]);
    for (const number of [6, 7, 8]) rig.answer(number);
    rig.answer(9);
    expect(rig.taken).toEqual([5, 6, 7, 8, 9]);
  });

  it('says NAK for a gap, and the whole truth at once when it is filled', () => {
    const rig = new Rig();
    rig.answer(5);
    rig.hear();
    rig.answer(7);
    expect(rig.hear()).toEqual(['nak 5']);
    rig.answer(8);
    expect(rig.hear()).toEqual([]);
    rig.answer(6);
    expect(rig.hear()).toEqual(['ack 8']);
  });

  it('says NAK for the next gap as soon as the first one is filled', () => {
    const rig = new Rig();
    rig.answer(5);
    rig.hear();
    for (const number of [7, 9]) rig.answer(number);
    expect(rig.hear()).toEqual(['nak 5']);
    rig.answer(6);
    expect(rig.hear()).toEqual(['nak 7']);
    rig.answer(8);
    expect(rig.hear()).toEqual(['ack 9']);
  });

  it('says no NAK for what came late in the same batch', () => {
    const rig = new Rig();
    rig.answer(5);
    rig.hear();
    for (const number of [7, 6]) rig.answer(number);
    expect(rig.hear()).toEqual(['ack 7']);
  });

  it('takes credits and a Close that it kept when it is their turn', () => {
    const rig = new Rig();
    rig.answer(5);
    const before = rig.wire.link.creditsAvailable(A);
    rig.wire.say({ sequenceNumber: 7, sequenceNumberAck: 4, channel: A, credit: 3 });
    rig.wire.say({ sequenceNumber: 8, sequenceNumberAck: 4, frameType: FrameType.close });
    rig.answer(9);
    expect(rig.wire.link.creditsAvailable(A)).toBe(before);
    expect(rig.wire.link.state).toBe('open');
    rig.answer(6);
    expect(rig.wire.link.creditsAvailable(A)).toBe(before + 8);
    expect(rig.wire.link.pollEvent()?.type).toBe('opened');
    expect(rig.wire.link.pollEvent()).toEqual({ type: 'closed', how: 'byPeer' });
    expect(rig.taken).toEqual([5, 6]);
  });

  it('keeps no more than a window, and nothing of one frame in the place of another', () => {
    const rig = new Rig(16);
    rig.answer(5);
    for (let number = 7; number < 60; number++) rig.answer(number);
    rig.answer(6 + 2 ** 20);
    rig.answer(6);
    expect(rig.taken).toEqual(Array.from({ length: 17 }, (_, i) => 5 + i));
    for (let number = 22; number < 60; number++) rig.answer(number);
    expect(rig.taken).toHaveLength(55);
  });

  it('keeps what finds no room above, until it comes again', () => {
    const rig = new Rig();
    rig.answer(5);
    for (const number of [7, 8]) rig.answer(number);
    rig.hasRoom = false;
    rig.answer(6);
    expect(rig.taken).toEqual([5]);
    rig.hasRoom = true;
    rig.answer(6);
    expect(rig.taken).toEqual([5, 6, 7, 8]);
  });

  it('hands on what it kept when a gap is given up', () => {
    const rig = new Rig();
    rig.wire.link.profile = PEER_PROFILES.etri;
    for (const number of [5, 7, 8, 11]) rig.answer(number);
    for (let i = 0; i < 5; i++) {
      rig.answer(13);
      rig.wait(100 * MILLISECOND);
    }
    expect(rig.wire.link.stats.skipped).toBe(4);
    expect(rig.taken).toEqual([5, 7, 8, 11, 13]);
  });

  it('keeps nothing across a restart of the peer', () => {
    const taken: number[] = [];
    const wire = new ScriptedLink(
      { role: 'responder' },
      {
        hasRoom: () => true,
        onMessage: (_, { source }) => taken.push(source) > 0,
        onRestart: () => {},
      },
    );
    const get = { ...EMPTY, channel: A, opcode: OpcodeA.get, sizeLog2: 3, sink: 0, address: 0n };
    const ask = (sequenceNumber: number, source: number): void => {
      const messages = [completeMessage({ ...get, source }, 1)];
      wire.say({ sequenceNumber, sequenceNumberAck: 4, messages });
    };
    const open = (): void => {
      wire.say({ frameType: FrameType.open, channel: A, credit: 9, sequenceNumberAck: 0x3fffff });
    };
    open();
    ask(1, 1);
    ask(3, 3);
    wire.now += 10_000_000;
    open();
    ask(1, 11);
    ask(2, 12);
    expect(taken).toEqual([1, 11, 12]);
  });
});

describe('the sending end', () => {
  /** Ten frames are out, numbered 5 to 14, and a round trip has been measured: 100 us. */
  function sending(profile: PeerProfile = PEER_PROFILES.generic): Rig {
    const rig = new Rig();
    rig.wire.link.profile = profile;
    rig.send(10);
    rig.wire.now += 100;
    return rig;
  }

  it('repeats one frame for a NAK', () => {
    const rig = sending();
    expect(rig.say('nak', 6)).toEqual([7]);
    expect(rig.say('nak', 6), 'the repetition is on its way').toEqual([]);
  });

  it('repeats it again when it was lost as well', () => {
    const rig = sending();
    expect(rig.say('nak', 6)).toEqual([7]);
    rig.wire.now += 150;
    expect(rig.say('nak', 6)).toEqual([7]);
  });

  it('repeats one for each gap of a peer that keeps what comes early', () => {
    const rig = sending();
    expect(rig.say('nak', 6)).toEqual([7]);
    rig.wire.now += 100;
    expect(rig.say('nak', 9)).toEqual([10]);
    rig.wire.now += 100;
    expect(rig.say('ack', 14)).toEqual([]);
    expect(rig.wire.link.stats.framesResent).toBe(2);
  });

  it('takes a NAK for what it has sent once however soon it comes', () => {
    const rig = sending();
    rig.say('ack', 14);
    rig.send(3);
    rig.wire.now += 10;
    expect(rig.say('nak', 14)).toEqual([15]);
  });

  it('goes on trusting a peer of which two frames in a row get lost every now and then', () => {
    const rig = sending();
    for (let first = 5; first < 65; first += 10) {
      rig.wire.now += 100;
      expect(rig.say('nak', first)[0]).toBe(first + 1);
      rig.wire.now += 100;
      expect(new Set(rig.say('ack', first + 1))).toEqual(new Set([first + 2, first + 3]));
      rig.wire.now += 100;
      rig.say('ack', first + 9);
      rig.send(10);
    }
  });

  it('trusts a peer no less for a tail that got lost', () => {
    const rig = sending();
    rig.say('ack', 14);
    for (let first = 15; first < 30; first += 3) {
      rig.send(3);
      expect(rig.wait(4 * MILLISECOND)).toEqual([first]);
      expect(rig.say('ack', first)).toEqual([first + 1, first + 2]);
      rig.say('ack', first + 2);
    }
    rig.send(5);
    rig.wire.now += 100;
    expect(rig.say('nak', 30)).toEqual([31]);
  });

  it('sends new frames beside those that are repaired', () => {
    const rig = sending();
    rig.say('nak', 6);
    expect(rig.send(3)).toEqual([15, 16, 17]);
  });

  it('repeats more and more as long as repairs fill nothing but themselves, then everything', () => {
    const rig = sending();
    const next = (number: number) => {
      rig.wire.now += 100;
      return rig.say('ack', number);
    };
    expect(rig.say('nak', 4)).toEqual([5]);
    expect(next(5)).toEqual([6, 7]);
    expect(next(7)).toEqual([8, 9, 10, 11]);
    expect(next(11)).toEqual([12, 13, 14]);
    // It has been found out: from now on a gap means that everything behind it is gone.
    next(14);
    rig.send(5);
    rig.wire.now += 100;
    expect(rig.say('nak', 15)).toEqual([16, 17, 18, 19]);
  });

  it('asks with one frame long before the time-out, and again and again', () => {
    const rig = sending();
    const heard = rig.wait(20 * MILLISECOND);
    expect(heard.length).toBeGreaterThanOrEqual(3);
    expect(new Set(heard)).toEqual(new Set([5]));
    expect(rig.wire.link.stats.retransmitTimeouts).toBe(0);
    expect(rig.say('ack', 14)).toEqual([]);
    expect(rig.wait(MILLISECOND)).toEqual([]);
  });

  it('finds the end of a lost tail without waiting for each of its frames', () => {
    const rig = sending();
    rig.say('ack', 8);
    expect(rig.wait(4 * MILLISECOND)).toEqual([9]);
    expect(rig.say('ack', 9)).toEqual([10, 11]);
    rig.wire.now += 4 * MILLISECOND;
    expect(rig.say('ack', 11)).toEqual([12, 13, 14]);
  });

  it('goes on as before when what it repeats is acknowledged sooner than can be', () => {
    const rig = sending();
    rig.say('ack', 8);
    expect(rig.wait(4 * MILLISECOND)).toEqual([9]);
    rig.wire.now += 4 * MILLISECOND;
    expect(rig.say('ack', 9)).toEqual([10, 11]);
    // The first copy was meant: it is late, and so is all that follows.
    rig.wire.now += 10;
    expect(rig.say('ack', 10)).toEqual([]);
    rig.wire.now += 4 * MILLISECOND;
    expect(rig.say('ack', 11)).toEqual([]);
  });

  it('repeats one frame when its time is over, and more as they are acknowledged', () => {
    const rig = sending();
    rig.wait(20 * MILLISECOND);
    expect(rig.wait(15 * MILLISECOND)).toEqual([5]);
    expect(rig.wire.link.stats.retransmitTimeouts).toBe(1);
    rig.wire.now += MILLISECOND;
    expect(rig.say('ack', 5)).toEqual([6, 7]);
  });

  it('goes on as before when its question was needless', () => {
    const rig = sending();
    rig.wait(4 * MILLISECOND);
    expect(rig.say('ack', 9)).toEqual([]);
    expect(rig.say('ack', 12)).toEqual([]);
    expect(rig.say('ack', 14)).toEqual([]);
  });

  it('does not ask a peer that runs what is repeated, or says nothing about it', () => {
    for (const profile of [PEER_PROFILES.memnode, PEER_PROFILES.wdhw]) {
      expect(sending(profile).wait(20 * MILLISECOND)).toEqual([]);
    }
  });

  it('repeats twice where many frames are lost', () => {
    const rig = new Rig();
    const repetitions = Array.from({ length: 30 }, (_, i) => {
      const first = 5 + 10 * i;
      rig.send(10);
      rig.wire.now += 100;
      const resent = rig.say('nak', first);
      expect(new Set(resent)).toEqual(new Set([first + 1]));
      rig.wire.now += 100;
      rig.say('ack', first + 9);
      return resent.length;
    });
    expect([repetitions[0], repetitions.at(-1)]).toEqual([1, 2]);
  });
});
