import { MILLISECOND, SECOND, sequenceAfter, type PlainMessage } from '@oxmem/tloe-protocol';
import type { Dialogue } from '../dialogue.ts';
import type { HeardFrame } from '../heard-frame.ts';
import type { Scenario } from '../scenario.ts';
import { demand, fail, notSupported } from '../verdict.ts';
import { QUIET } from '../scripted-initiator.ts';

/** How long an endpoint may take to resend by itself. */
const RESEND_PATIENCE = 3 * SECOND;
/** How soon it obeys a NAK: sooner than any resend timer runs out. */
const NAK_PATIENCE = 25 * MILLISECOND;
const NAK_ATTEMPTS = 3;
/** Until everything that was said has been taken in. */
const SHORT_PAUSE = 20 * MILLISECOND;

/** Asks, and does not acknowledge the answer. @returns the frame of the answer */
async function askWithoutAck(dialogue: Dialogue, request: PlainMessage): Promise<HeardFrame> {
  const { peer } = dialogue;
  await peer.pause(SHORT_PAUSE);
  peer.forget();
  peer.isAcking = false;
  await dialogue.say([request]);
  await dialogue.answer(request);
  const frame = peer.heard.find(({ messages }) => {
    return messages.some(({ source }) => source === request.source);
  });
  demand(frame !== undefined, 'it does not answer');
  // Some send a frame twice in one go; that is not what is asked for here.
  await peer.pause(2 * MILLISECOND);
  peer.forget();
  return frame;
}

function copyOf({ peer }: Dialogue, frame: HeardFrame): HeardFrame | undefined {
  return peer.heard.find(({ isRepeated, sequenceNumber }) => {
    return isRepeated && sequenceNumber === frame.sequenceNumber;
  });
}

/** Waits for a frame to come again. */
async function isResent(
  dialogue: Dialogue,
  frame: HeardFrame,
  micros: number = RESEND_PATIENCE,
): Promise<boolean> {
  return dialogue.peer.until(() => copyOf(dialogue, frame) !== undefined, micros);
}

/** Says an acknowledgement that an endpoint must not believe, and looks what it does to a frame. */
async function playOddAck(dialogue: Dialogue, ack: (frame: HeardFrame) => number): Promise<void> {
  const { peer } = dialogue;
  const first = await askWithoutAck(dialogue, dialogue.get(0));
  if (!(await isResent(dialogue, first))) notSupported('it resends nothing at all');
  peer.sendAck();
  const frame = await askWithoutAck(dialogue, dialogue.get(8));
  peer.sendAck({ sequenceNumberAck: ack(frame) });
  const hasCome = await isResent(dialogue, frame);
  peer.sendAck();
  demand(hasCome, 'it no longer resends a frame that was not acknowledged');
}

/** What an endpoint does for frames of its own that get lost. */
export const RESENDING: readonly Scenario[] = [
  {
    name: 'answer-is-resent',
    title: 'resends an answer that is not acknowledged, under its number and with its credits',
    basis: 'OX §4',
    play: async (dialogue) => {
      const frame = await askWithoutAck(dialogue, dialogue.get(0));
      const hasCome = await isResent(dialogue, frame);
      dialogue.peer.sendAck();
      demand(hasCome, 'it does not resend it');
      const copy = copyOf(dialogue, frame);
      const isSame = copy?.channel === frame.channel && copy.credit === frame.credit;
      demand(isSame, 'the credits differ the second time');
      const bodies = [frame, copy].map(({ bytes }) => bytes.subarray(22).join());
      demand(bodies[0] === bodies[1], 'the messages differ the second time');
    },
  },
  {
    name: 'nak-is-obeyed',
    title: 'resends at once what a NAK asks for',
    basis: 'OX §4',
    play: async (dialogue) => {
      const { peer } = dialogue;
      // A busy machine may be late once, but not each time.
      for (let attempt = 0; attempt < NAK_ATTEMPTS; attempt++) {
        const frame = await askWithoutAck(dialogue, dialogue.get(0));
        const sequenceNumberAck = sequenceAfter(frame.sequenceNumber, -1);
        peer.sendAck({ sequenceNumberAck, ack: 0 });
        const hasCome = await isResent(dialogue, frame, NAK_PATIENCE);
        peer.sendAck();
        if (hasCome) return;
      }
      fail(`nothing comes within ${NAK_PATIENCE / MILLISECOND} ms`);
    },
  },
  {
    name: 'acknowledged-is-not-resent',
    title: 'does not resend what was acknowledged',
    basis: 'OX §4',
    play: async (dialogue) => {
      const { peer } = dialogue;
      await dialogue.read(0);
      await peer.pause(SHORT_PAUSE);
      peer.forget();
      await peer.pause(SECOND);
      demand(!peer.heard.some(({ isRepeated }) => isRepeated), 'a frame comes again');
    },
  },
  {
    name: 'sent-once-after-a-pause',
    title: 'sends a frame once, also after a pause',
    basis: 'OX §4: frames are resent for a NAK or a time-out',
    play: async (dialogue) => {
      const { peer } = dialogue;
      await dialogue.read(0);
      await peer.pause(SECOND);
      peer.forget();
      await dialogue.read(8);
      await peer.pause(QUIET);
      demand(!peer.heard.some(({ isRepeated }) => isRepeated), 'the first frame comes twice');
    },
  },
  {
    name: 'old-acknowledgement',
    title: 'ignores an acknowledgement that goes back',
    basis: 'OX §4: such a one is stale and frees nothing',
    play: async (dialogue) => {
      await playOddAck(dialogue, ({ sequenceNumber }) => sequenceAfter(sequenceNumber, -3));
    },
  },
  {
    name: 'impossible-acknowledgement',
    title: 'ignores an acknowledgement of what it never sent',
    basis: 'OX §4: such a one is bogus and frees nothing',
    play: async (dialogue) => {
      await playOddAck(dialogue, ({ sequenceNumber }) => sequenceAfter(sequenceNumber, 1000));
    },
  },
];
