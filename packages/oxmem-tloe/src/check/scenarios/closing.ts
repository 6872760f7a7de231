import { FrameType, MILLISECOND } from '@oxmem/tloe-protocol';
import type { Dialogue } from '../dialogue.ts';
import type { Scenario } from '../scenario.ts';
import { demand, notSupported } from '../verdict.ts';
import { QUIET } from '../scripted-initiator.ts';

async function closeFirst(dialogue: Dialogue): Promise<void> {
  if (!(await dialogue.tryClose())) notSupported('it does not end connections');
  await dialogue.peer.pause(50 * MILLISECOND);
  dialogue.peer.forget();
}

/** How a connection ends, and that all frames are in order meanwhile. */
export const CLOSING: readonly Scenario[] = [
  {
    name: 'frames-are-well-formed',
    title: 'sends frames without reserved bits, with true masks and clean AckOnly frames',
    basis: 'OX §3',
    isBare: true,
    play: async (dialogue) => {
      const { peer } = dialogue;
      await dialogue.open();
      const bytes = await dialogue.say([dialogue.get(0)]);
      await peer.until(() => peer.hasAcked(dialogue.lastNumber), QUIET);
      await dialogue.write(0, new Uint8Array(8));
      for (let i = 0; i < 4; i++) await dialogue.isInOrder();
      peer.sendBytes(bytes);
      await peer.pause(100 * MILLISECOND);
      for (const { type, vc, violations, bytes: heard } of peer.heard) {
        demand(violations.length === 0, `a frame is wrong: ${violations.join(', ')}`);
        demand(vc === 0, `a frame has virtual channel ${vc}`);
        const isDirty = type === FrameType.ackOnly && heard.subarray(22).some((byte) => byte !== 0);
        demand(!isDirty, 'an AckOnly has something in its body');
      }
    },
  },
  {
    name: 'close-is-answered',
    title: 'answers a Close with a Close that acknowledges it',
    basis: '1.1 proposal',
    play: async (dialogue) => {
      demand(await dialogue.tryClose(), 'no Close comes back');
      const { peer } = dialogue;
      demand(peer.hasAcked(dialogue.lastNumber), 'its Close does not acknowledge ours');
    },
  },
  {
    name: 'silence-after-close',
    title: 'serves nothing on a closed connection',
    basis: '1.1 proposal: Close ends a connection',
    play: async (dialogue) => {
      await closeFirst(dialogue);
      const get = dialogue.get(0);
      dialogue.peer.sendNumbered({ messages: [get] });
      await dialogue.peer.pause(QUIET);
      demand(dialogue.answersTo(get).length === 0, 'it answers a Get');
    },
  },
  {
    name: 'open-after-close',
    title: 'opens again after a Close, with numbers from 0 on',
    basis: '1.1 proposal',
    play: async (dialogue) => {
      await closeFirst(dialogue);
      await dialogue.open();
      await dialogue.read(0);
    },
  },
];
