import { FrameType, OpcodeD, type PlainMessage } from '@oxmem/tloe-protocol';
import type { Dialogue } from '../dialogue.ts';
import type { Scenario } from '../scenario.ts';
import { demand, notSupported } from '../verdict.ts';

/** The last word of the address space, where no known endpoint has memory. */
const TOP = { addressHigh: 0xffffffff, addressLow: 0xfffffff8 };

function outside(dialogue: Dialogue): PlainMessage {
  return { ...dialogue.get(0), ...TOP };
}

/** What an endpoint cannot serve is refused, not left unanswered. */
export const REFUSALS: readonly Scenario[] = [
  {
    name: 'out-of-range',
    title: 'denies a Get at the top of the address space',
    basis: 'TL §4.5: what cannot be served is denied',
    play: async (dialogue) => {
      const { denied } = await dialogue.ask(outside(dialogue));
      demand(denied, 'it serves it, from somewhere else');
    },
  },
  {
    name: 'unaligned',
    title: 'denies a Get whose address is no multiple of its size',
    basis: 'TL §4.6',
    play: async (dialogue) => {
      const { denied } = await dialogue.ask(dialogue.get(4));
      demand(denied, 'it serves it');
    },
  },
  {
    name: 'denied-is-corrupt',
    title: 'marks the data of a denied answer as corrupt, and sends all of it',
    basis: 'TL §4.5',
    play: async (dialogue) => {
      const answer = await dialogue.ask(dialogue.get(4));
      const denied = answer.denied ? answer : await dialogue.ask(outside(dialogue));
      if (!denied.denied) notSupported('it denies nothing');
      demand(denied.opcode === OpcodeD.accessAckData, 'it denies a Get without data');
      demand(denied.corrupt, 'it is not marked');
    },
  },
  {
    name: 'denied-write-does-nothing',
    title: 'writes nothing when it denies a write',
    basis: 'TL §4.5: a denied operation has no effect',
    play: async (dialogue) => {
      await dialogue.write(0, new Uint8Array(16).fill(0x66));
      const { denied } = await dialogue.ask(dialogue.put(4, new Uint8Array(8).fill(0x99)));
      if (!denied) notSupported('it serves a Put that is not aligned');
      const after = await dialogue.read(0, 16);
      demand(
        after.every((byte) => byte === 0x66),
        'the memory has changed',
      );
    },
  },
];

/** Dialogues that are known to end an endpoint or to block it; they come last. */
export const HARSH: readonly Scenario[] = [
  {
    name: 'junk',
    title: 'goes on after frames that nobody can read',
    basis: 'reason: nothing on the wire may stop an endpoint',
    play: async (dialogue) => {
      const { peer } = dialogue;
      const old = peer.sendNumbered();
      peer.send({ type: 15, sequenceNumber: dialogue.lastNumber });
      const lying = old.slice();
      lying.fill(0xff, lying.length - 1);
      peer.sendBytes(lying);
      const dirty = peer.bytesOf({ type: FrameType.ackOnly });
      dirty.fill(0x5a, 22, 62);
      peer.sendBytes(dirty);
      await dialogue.read(0);
    },
  },
  {
    name: 'open-with-number-1',
    title: 'ignores an Open with another number than 0, and goes on',
    basis: '1.1 proposal: Open has number 0',
    isBare: true,
    play: async (dialogue) => {
      const { peer } = dialogue;
      peer.reset();
      peer.send({ type: FrameType.open, sequenceNumber: 1, channel: 1, credit: 16 });
      await peer.pause(200_000);
      demand(peer.heard.length === 0, 'it answers');
      await dialogue.open();
    },
  },
];

/** An access that no endpoint can serve, and that is known to end some. */
export const TOO_LARGE: Scenario = {
  name: 'too-large',
  title: 'denies a Get of 32 KiB, which no frame can answer',
  basis: 'TL §4.5: what cannot be served is denied',
  play: async (dialogue) => {
    const { denied } = await dialogue.ask(dialogue.get(0, 2 ** 15));
    demand(denied, 'it does not deny it');
  },
};
