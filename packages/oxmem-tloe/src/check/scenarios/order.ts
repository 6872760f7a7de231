import {
  FrameType,
  HALF_SEQUENCE_SPACE,
  MILLISECOND,
  sequenceAfter,
  sequenceDistance,
} from '@oxmem/tloe-protocol';
import type { Dialogue } from '../dialogue.ts';
import type { Scenario } from '../scenario.ts';
import { demand } from '../verdict.ts';
import { PATIENCE, QUIET } from '../scripted-initiator.ts';

/** How soon an endpoint says that something is missing, or acknowledges. */
const SOON = 500 * MILLISECOND;

/** A word that is eight times the same byte, so that the data order does not matter. */
function word(byte: number): Uint8Array {
  return new Uint8Array(8).fill(byte);
}

/** Puts a word, then another at the same place; returns the bytes of the first Put's frame. */
async function writeTwice(dialogue: Dialogue): Promise<Uint8Array> {
  const first = dialogue.put(0, word(0x11));
  const bytes = await dialogue.say([first]);
  await dialogue.answer(first);
  await dialogue.write(0, word(0x22));
  await dialogue.peer.pause(20 * MILLISECOND);
  dialogue.peer.forget();
  return bytes;
}

/** Sends a Put ahead of a number that is left out. */
async function leaveGap(dialogue: Dialogue): Promise<{ missing: number; ahead: Uint8Array }> {
  const { peer } = dialogue;
  await dialogue.write(0, word(0x33));
  peer.forget();
  const missing = peer.next;
  peer.next = sequenceAfter(missing, 1);
  const ahead = await dialogue.say([dialogue.put(0, word(0x44))]);
  return { missing, ahead };
}

/** Sends what was left out, and what came too early once more. */
async function fillGap(
  dialogue: Dialogue,
  { missing, ahead }: { missing: number; ahead: Uint8Array },
): Promise<void> {
  const { peer } = dialogue;
  peer.send({ sequenceNumber: missing, messages: [dialogue.get(64)] });
  peer.sendBytes(ahead);
  await peer.until(() => peer.hasAcked(dialogue.lastNumber), PATIENCE);
}

/** Numbers, duplicates and gaps. */
export const ORDER: readonly Scenario[] = [
  {
    name: 'empty-frame-is-acknowledged',
    title: 'acknowledges a frame without messages',
    basis: 'OX §4: every numbered frame is acknowledged',
    play: async ({ peer }) => {
      const number = peer.next;
      peer.sendNumbered();
      demand(await peer.until(() => peer.hasAcked(number), SOON), 'no acknowledgement comes');
    },
  },
  {
    name: 'acknowledgements-end',
    title: 'does not acknowledge an empty frame by a frame that wants to be acknowledged itself',
    basis: 'OX §4: two ends could go on with it for ever',
    play: async ({ peer }) => {
      await peer.pause(20 * MILLISECOND);
      peer.forget();
      peer.isAcking = false;
      peer.sendNumbered();
      await peer.pause(QUIET);
      const numbered = peer.heard.filter(({ type }) => type !== FrameType.ackOnly);
      peer.sendAck();
      demand(numbered.length === 0, 'it acknowledges by a numbered frame');
    },
  },
  {
    name: 'ack-only-is-not-answered',
    title: 'does not answer an AckOnly',
    basis: '1.1 proposal: AckOnly is not acknowledged',
    play: async ({ peer }) => {
      await peer.pause(20 * MILLISECOND);
      peer.forget();
      peer.sendAck();
      await peer.pause(QUIET);
      demand(peer.heard.length === 0, 'it answers');
    },
  },
  {
    name: 'ack-only-has-no-number',
    title: 'does not take the number in an AckOnly for a frame that has come',
    basis: '1.1 proposal: AckOnly shows the next number and does not use it',
    play: async (dialogue) => {
      const { peer } = dialogue;
      const bytes = peer.sendNumbered();
      await peer.until(() => peer.hasAcked(dialogue.lastNumber), SOON);
      const unused = peer.next;
      peer.sendAck();
      peer.sendBytes(bytes);
      await peer.pause(100 * MILLISECOND);
      demand(!peer.hasAcked(unused), 'it acknowledges a number that was not used yet');
      await dialogue.read(0);
    },
  },
  {
    name: 'duplicate-is-not-executed',
    title: 'executes a frame once that comes twice',
    basis: 'OX §4: a duplicate is dropped',
    play: async (dialogue) => {
      const bytes = await writeTwice(dialogue);
      dialogue.peer.sendBytes(bytes);
      await dialogue.peer.pause(100 * MILLISECOND);
      const answers = dialogue.messages().length;
      demand(answers === 0, 'it answers the request in the duplicate again');
      const [found] = await dialogue.read(0);
      demand(found === 0x22, 'the write in the duplicate undoes a later one');
    },
  },
  {
    name: 'duplicate-is-acknowledged',
    title: 'acknowledges a frame that comes twice',
    basis: 'OX §4: a duplicate is acknowledged, as the first acknowledgement may be lost',
    play: async (dialogue) => {
      const { peer } = dialogue;
      const bytes = await writeTwice(dialogue);
      peer.sendBytes(bytes);
      demand(await peer.until(() => peer.heard.length > 0, SOON), 'it says nothing');
    },
  },
  {
    name: 'acknowledgement-stays',
    title: 'never acknowledges less than before',
    basis: 'OX §4: Sequence_number_ack is the last number received in order',
    play: async (dialogue) => {
      const { peer } = dialogue;
      const bytes = await writeTwice(dialogue);
      const before = peer.acked;
      peer.sendBytes(bytes);
      await peer.pause(100 * MILLISECOND);
      const back = peer.heard.find(({ sequenceNumberAck: ack }) => {
        return sequenceDistance(before, ack) >= HALF_SEQUENCE_SPACE;
      });
      const said = back?.sequenceNumberAck;
      demand(back === undefined, `after a duplicate it acknowledges ${said}, after ${before}`);
    },
  },
  {
    name: 'nothing-behind-a-gap',
    title: 'executes nothing behind a frame that is missing',
    basis: 'OX §4: a frame out of sequence is dropped',
    play: async (dialogue) => {
      const gap = await leaveGap(dialogue);
      await dialogue.peer.pause(100 * MILLISECOND);
      const answers = dialogue.messages().length;
      await fillGap(dialogue, gap);
      demand(answers === 0, 'it executes a frame ahead of a missing one');
    },
  },
  {
    name: 'gap-is-reported',
    title: 'answers a frame behind a missing one with a NAK of the last number in order',
    basis: 'OX §4',
    play: async (dialogue) => {
      const { peer } = dialogue;
      const gap = await leaveGap(dialogue);
      const wanted = sequenceAfter(gap.missing, -1);
      const isNaked = (): boolean =>
        peer.heard.some(({ isAck, sequenceNumberAck: ack }) => !isAck && ack === wanted);
      const hasCome = await peer.until(isNaked, SOON);
      await fillGap(dialogue, gap);
      demand(hasCome, 'no NAK comes');
    },
  },
  {
    name: 'gap-is-filled',
    title: 'goes on when the missing frame has come, each request answered once',
    basis: 'OX §4',
    play: async (dialogue) => {
      const { peer } = dialogue;
      const gap = await leaveGap(dialogue);
      await peer.pause(20 * MILLISECOND);
      await fillGap(dialogue, gap);
      await peer.until(() => dialogue.messages().length >= 2, PATIENCE);
      await peer.pause(50 * MILLISECOND);
      const answers = dialogue.messages().length;
      demand(answers === 2, `two requests get ${answers} answers`);
      const [found] = await dialogue.read(0);
      demand(found === 0x44, 'the write behind the gap is lost');
    },
  },
];
