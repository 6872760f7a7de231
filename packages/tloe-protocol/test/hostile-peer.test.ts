/** What fuzzing has found: peers that no sane device is, and what they must not do to a link. */
import { describe, expect, it } from 'vitest';

import type { LinkConfig } from '../src/link/link-config.ts';
import { NOTHING_RECEIVED } from '../src/link/sequence-number.ts';
import { DEFAULT_RESPONDER_CONFIG, Responder } from '../src/tilelink/index.ts';
import { ArrayMemory } from '../src/testing/index.ts';
import { MILLISECOND, NEVER } from '../src/units.ts';
import { Channel, FrameType, OpcodeA } from '../src/wire/index.ts';
import { completeMessage } from './arbitraries.ts';
import type { Message } from './naive-codec.ts';
import { ScriptedLink } from './scripted-link.ts';

const NOBODY = { hasRoom: () => true, onMessage: () => true, onRestart: () => {} };

function message(channel: number, opcode: number, sizeLog2: number): Message {
  const flags = { domain: 0, denied: false, corrupt: false };
  const fields = { flitIndex: 0, param: 0, source: 0, sink: 0, address: 0n, ...flags };
  return completeMessage({ ...fields, channel, opcode, sizeLog2 }, 1);
}

describe('a peer that closes in the middle of an opening', () => {
  it.each([
    ['when all else is there', 5],
    ['before it has granted all', 2],
  ])('ends the connection, %s', (_when, grants) => {
    const wire = new ScriptedLink({ role: 'initiator' }, NOBODY);
    wire.link.open();
    wire.hear();
    for (let channel = 1; channel <= grants; channel++) {
      wire.say({
        sequenceNumber: channel - 1,
        sequenceNumberAck: NOTHING_RECEIVED,
        channel,
        credit: 12,
      });
    }
    wire.say({ sequenceNumber: grants, sequenceNumberAck: 4, frameType: FrameType.close });
    expect(wire.link.state).toBe('closed');
    wire.hear();
    expect(wire.link.pollDeadline()).toBe(NEVER);
    wire.now += 1_000 * MILLISECOND;
    wire.link.handleDeadline(wire.now);
    expect(wire.link.state).toBe('closed');
  });
});

describe('a peer that asks and never acknowledges', () => {
  const said = { sequenceNumberAck: NOTHING_RECEIVED };
  const get = message(Channel.A, OpcodeA.get, 10);

  /** An endpoint's link to such a peer, which has granted much. */
  function meet(config: Partial<LinkConfig>) {
    const responder = new Responder(DEFAULT_RESPONDER_CONFIG, new ArrayMemory(4096));
    const wire = new ScriptedLink({ role: 'responder', ...config }, responder);
    responder.attach(wire.link);
    for (let channel = 1; channel <= 5; channel++) {
      const frameType = channel === 1 ? FrameType.open : FrameType.normal;
      wire.say({ ...said, sequenceNumber: channel - 1, frameType, channel, credit: 15 });
    }
    return { responder, wire };
  }

  it('is not sent a flood of frames for a flood of NAKs', () => {
    const { wire } = meet({});
    for (let number = 5; number < 15; number++) {
      const messages = Array.from({ length: 30 }, () => get);
      wire.say({ ...said, sequenceNumber: number, messages });
      wire.hear();
    }
    expect(wire.link.framesOutstanding).toBeGreaterThan(200);
    let sent = 0;
    for (let i = 0; i < 1000; i++) {
      wire.now += 2;
      wire.say({ ...said, frameType: FrameType.ackOnly, ack: 0, sequenceNumber: 15 });
      sent += wire.hear().length;
    }
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(256);
  });

  it('wakes nobody once it has been given up', () => {
    const { responder, wire } = meet({ windowFrames: 16, resendPasses: 2 });
    // What needs no answer leaves a debt of credits, for which the full window has no frame.
    const grantAck = message(Channel.E, 0, 3);
    for (let number = 5; number < 40; number++) {
      wire.say({ ...said, sequenceNumber: number, messages: [get, grantAck] });
      wire.hear();
    }
    expect(responder.answersWaiting).toBeGreaterThan(0);
    let wakes = 0;
    for (
      let at = wire.link.pollDeadline();
      at < NEVER && wakes < 100;
      at = wire.link.pollDeadline()
    ) {
      wakes++;
      wire.now = at;
      wire.link.handleDeadline(at);
      wire.hear();
      while (wire.link.pollEvent() !== undefined);
    }
    expect(wakes).toBeLessThan(20);
    // One acknowledgement, and it goes on: nothing was forgotten.
    wire.say({ sequenceNumber: 40, sequenceNumberAck: 14 });
    responder.pump();
    expect(wire.hear().length).toBeGreaterThan(0);
    expect(wire.link.pollDeadline()).toBeLessThan(NEVER);
  });
});
