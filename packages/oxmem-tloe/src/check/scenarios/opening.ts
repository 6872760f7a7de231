import { Channel, FrameType, MILLISECOND, NOTHING_RECEIVED, SECOND } from '@oxmem/tloe-protocol';
import type { Dialogue } from '../dialogue.ts';
import type { Scenario } from '../scenario.ts';
import { demand, fail, notSupported } from '../verdict.ts';
import { PATIENCE, QUIET } from '../scripted-initiator.ts';

/** An endpoint may take an Open at once after traffic for a late copy of an old one. */
const PAUSE_BEFORE_REOPENING = 200 * MILLISECOND;

async function demandSilence({ peer }: Dialogue, what: string): Promise<void> {
  await peer.pause(QUIET);
  demand(peer.heard.length + peer.strangers === 0, `it answers ${what}`);
}

/** How a connection begins. */
export const OPENING: readonly Scenario[] = [
  {
    name: 'silence-before-open',
    title: 'answers nothing from a station that has not opened a connection',
    basis: '1.1 proposal: an Open begins a connection',
    isBare: true,
    play: async (dialogue) => {
      const { peer } = dialogue;
      peer.reset();
      const sequenceNumberAck = NOTHING_RECEIVED;
      peer.send({ sequenceNumber: 5, sequenceNumberAck, messages: [dialogue.get(0)] });
      await demandSilence(dialogue, 'a Get before an Open');
    },
  },
  {
    name: 'foreign-destination',
    title: 'answers no frame for another MAC address',
    basis: 'IEEE 802.3: a frame is for its destination',
    isBare: true,
    play: async (dialogue) => {
      const { peer } = dialogue;
      peer.reset();
      const bytes = peer.bytesOf({
        type: FrameType.open,
        sequenceNumber: 0,
        channel: 1,
        credit: 16,
      });
      bytes[5] = (bytes[5] as number) ^ 0x80;
      peer.sendBytes(bytes);
      await demandSilence(dialogue, 'a frame for somebody else');
    },
  },
  {
    name: 'open-is-answered',
    title: 'acknowledges an Open and grants credits of channel A',
    basis: '1.1 proposal; OX §5: credits begin at zero and are handed out',
    isBare: true,
    play: async (dialogue) => {
      demand(await dialogue.tryOpen(), 'it sends no acknowledgement with credits of channel A');
    },
  },
  {
    name: 'numbers-from-0',
    title: 'numbers its frames from 0 on and leaves no number out',
    basis: 'OX §4',
    isBare: true,
    play: async (dialogue) => {
      const { peer } = dialogue;
      peer.reset();
      dialogue.sayOpening();
      await peer.pause(2 * QUIET);
      const numbers = peer.heard
        .filter(({ type }) => type !== FrameType.ackOnly)
        .map(({ sequenceNumber }) => sequenceNumber);
      demand(numbers.length > 0, 'it sends no numbered frame');
      const highest = Math.max(...numbers);
      for (let number = 0; number <= highest; number++) {
        demand(numbers.includes(number), `frame ${number} never comes, but ${highest} does`);
      }
    },
  },
  {
    name: 'opening-is-resent',
    title: 'resends the frames of its opening until they are acknowledged',
    basis: 'OX §4: what is not acknowledged is resent',
    isBare: true,
    play: async (dialogue) => {
      const { peer } = dialogue;
      peer.reset();
      peer.isAcking = false;
      dialogue.sayOpening();
      await peer.until(() => peer.heard.length > 0, PATIENCE);
      demand(peer.heard.length > 0, 'it does not answer an Open');
      const isResent = (): boolean => peer.heard.some(({ isRepeated }) => isRepeated);
      demand(await peer.until(isResent, 3 * SECOND), 'it resends none of them');
    },
  },
  {
    name: 'cached-channels',
    title: 'grants credits of channels C and E, for clients that cache',
    basis: 'OX §5; needed for TL-C only',
    isBare: true,
    play: async (dialogue) => {
      await dialogue.open();
      const { credits } = dialogue.peer;
      const isGranted = (credits[Channel.C] as number) > 0 && (credits[Channel.E] as number) > 0;
      if (!isGranted) notSupported('it grants none');
    },
  },
  {
    name: 'reopening-begins-anew',
    title: 'begins a new connection when a station that has one opens again after a pause',
    basis: 'reason: a driver that was killed must get in again',
    play: async (dialogue) => {
      const { peer } = dialogue;
      await dialogue.read(0);
      await peer.pause(PAUSE_BEFORE_REOPENING);
      const before = peer.bookmark();
      peer.reset();
      dialogue.sayOpening();
      const isNew = (): boolean =>
        peer.heard.some(({ type, sequenceNumber }) => {
          return type !== FrameType.ackOnly && sequenceNumber === 0;
        });
      if (await peer.until(isNew, PATIENCE)) return;
      peer.returnTo(before);
      fail('it goes on with the old connection');
    },
  },
];
